'use strict';

const { attachElectron } = require('./attach');
const { electronPlatform } = require('./platform');
const { attachUpdater } = require('./updater');

/**
 * @typedef {import('./attach').ElectronParts} ElectronParts
 * @typedef {import('./attach').AttachOptions} AttachOptions
 * @typedef {import('./attach').AttachedLane} AttachedLane
 * @typedef {import('./parts').Components} Components
 * @typedef {import('./attach').AttachedSessions} AttachedSessions
 * @typedef {import('./repair').RepairReport} RepairReport
 * @typedef {import('./travel-mode').TravelModeReport} TravelModeReport
 * @typedef {import('./quit').ConfirmQuit} ConfirmQuit
 * @typedef {import('./updater').ConfirmUpdate} ConfirmUpdate
 * @typedef {import('./updater').UpdateInfo} UpdateInfo
 * @typedef {import('./updater').AttachedUpdater} AttachedUpdater
 */

module.exports = { attachElectron, attachUpdater, electronPlatform };
