'use strict';

/** What is counted of a life that is killed. All but the first four have to stay 0. */
const noFigures = () => ({
  kills: 0, killsMidLicence: 0, answersLostInFlight: 0, strays: 0,
  recordsLost: 0, licencesPaidTwice: 0, requestIdsChanged: 0, wrongOfflineVerdicts: 0, processCrashes: 0, otherFailures: 0,
});

module.exports = { noFigures };
