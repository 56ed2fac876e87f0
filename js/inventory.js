'use strict';

const check = require('./arguments');
const { bounded } = require('./bounded');
const { OfflineSessionsError } = require('./errors');

/**
 * What the player of a lane has, as its driver lists it.
 * @param {import('./types').Lane} lane
 * @param {(lane: import('./types').Lane) => import('./types').SessionDriver | null} driverFor
 * @param {AbortSignal} closed
 * @returns {Promise<import('./types').CatalogueEntry[]>} rejects with what the driver's own code is, else with ERR_CALLBACK
 */
async function inventoryOf(lane, driverFor, closed) {
  check.string('lane.origin', lane.origin);
  check.string('lane.keySystem', lane.keySystem);
  try {
    const driver = driverFor(lane);
    if (!driver?.inventory) throw check.invalid('catalogue', 'must be given: this lane has no driver that lists what the player has');
    const inventory = driver.inventory.bind(driver);
    return /** @type {any[]} */ (check.array('inventory', await bounded((signal) => inventory(lane, { signal }), [closed])));
  } catch (cause) {
    if (cause instanceof OfflineSessionsError) throw cause;
    throw new OfflineSessionsError('ERR_CALLBACK', 'the driver could not list what the player has', { cause });
  }
}

module.exports = { inventoryOf };
