'use strict';

const { attachElectron } = require('./attach');
const { electronPlatform } = require('./platform');

/**
 * @typedef {import('./attach').ElectronParts} ElectronParts
 * @typedef {import('./attach').AttachOptions} AttachOptions
 * @typedef {import('./attach').AttachedLane} AttachedLane
 * @typedef {import('./parts').Components} Components
 * @typedef {import('./repair').RepairReport} RepairReport
 */

module.exports = { attachElectron, electronPlatform };
