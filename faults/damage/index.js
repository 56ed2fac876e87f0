'use strict';

const path = require('node:path');
const { inFolder } = require('../folders');
const { Random } = require('../random');
const { runCases, NO_ANSWER } = require('../workers');
const { makeTemplate } = require('./template');

/** A store that takes longer hangs. */
const CASE_TIMEOUT_MS = 20_000;

/** Good databases, and how many copies they have. */
const TEMPLATES = [
  { titles: 4, copies: 2, closed: false },
  { titles: 12, copies: 1, closed: true },
  { titles: 30, copies: 2, closed: false },
  { titles: 30, copies: 2, closed: true },
  { titles: 30, copies: 0, closed: false },
  { titles: 90, copies: 1, closed: false },
];

const LOSSES = [
  'processCrashes', 'notRecovered', 'silentlyWrongRows', 'rowsLostThatWereInACopy', 'rowsLostThatStoodWhole', 'setAsideChanged', 'licencesPaidTwice',
  'wrongOfflineVerdicts',
];

const noFigures = () => ({
  damagedDatabases: 0,
  processCrashes: 0, notRecovered: 0, silentlyWrongRows: 0, rowsLostThatWereInACopy: 0, rowsLostThatStoodWhole: 0, setAsideChanged: 0, licencesPaidTwice: 0,
  wrongOfflineVerdicts: 0,
  recoveries: 0, rowsLostAndTold: 0, rowsBackFromACopy: 0, rolledBackUntold: 0, licencesOfLostRows: 0,
});

/**
 * Damages good databases, opens them and holds what they say against the truth.
 * @param {import('../index').Campaign} campaign
 */
async function runDamage({ count, seed, jobs, progress, fail }) {
  const figures = noFigures();
  await inFolder(async (folder) => {
    const templates = TEMPLATES.map((_, n) => path.join(folder, String(n)));
    for (const [n, template] of templates.entries()) if (count > 0) await makeTemplate(template, new Random('template', n), TEMPLATES[n]);
    const cases = Array.from({ length: count }, (_, n) => {
      const at = (seed + n) % templates.length;
      return { seed: seed + n, template: templates[at], other: templates[(at + 1) % templates.length] };
    });
    await runCases(path.join(__dirname, 'case.js'), cases, jobs, CASE_TIMEOUT_MS, (which, result, end) => {
      const died = [{ figure: end.startsWith(NO_ANSWER) ? 'notRecovered' : 'processCrashes', what: end }];
      const { findings = died, damages = null, told = false } = result ?? {};
      figures.damagedDatabases += 1;
      figures.recoveries += told ? 1 : 0;
      for (const { figure, what } of /** @type {{ figure: keyof typeof figures, what: string }[]} */ (findings)) {
        figures[figure] += 1;
        if (LOSSES.includes(figure)) fail({ figure, what: damages ? `${JSON.stringify(damages)}: ${what}` : what, repeat: { damaged: 1, seed: which.seed } });
      }
      progress(figures);
    });
  });
  return figures;
}

module.exports = { runDamage, LOSSES };
