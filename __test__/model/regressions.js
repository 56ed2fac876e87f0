'use strict';

/**
 * Sequences that once showed a fault, each as short as it could be made. They run first.
 * @type {{ shows: string, sequence: import('./operations.js').Operation[] }[]}
 */
const REGRESSIONS = [
  {
    shows: 'what is removed after a wipe is released, though the wipe is only noticed later',
    sequence: [
      { op: 'library', titles: { film: 'proven' } },
      { op: 'revalidate' },
      { op: 'update', breaks: 'wipe' },
      { op: 'put', title: 'series', how: 'proven' },
      { op: 'remove', title: 'series' },
    ],
  },
  {
    shows: 'what is put again under an id that two sessions of its title have is the one with its keys',
    sequence: [
      { op: 'library', titles: { film: 'proven', series: 'proven' } },
      { op: 'remove', title: 'film' },
      { op: 'trouble', step: 'created', answer: 'rejected', times: 1 },
      { op: 'update', breaks: 'salts' },
      { op: 'revalidate' },
      { op: 'put', title: 'series', how: 'again' },
    ],
  },
  {
    shows: 'a debt stays though a title is put whose lost licence had that id',
    sequence: [
      { op: 'library', titles: { film: 'proven', canary: 'proven' } },
      { op: 'interrupt', step: 'adopt', nth: 1, then: 'leave', update: 'salts' },
      { op: 'put', title: 'canary', how: 'proven' },
      { op: 'put', title: 'film', how: 'again-unproven' },
    ],
  },
  {
    shows: 'a check that finds nothing is repeated alone, though the title was put as proven meanwhile',
    sequence: [
      { op: 'library', titles: { film: 'proven' } },
      { op: 'interrupt', step: 'phase', nth: 1, then: 'leave', update: 'none' },
      { op: 'trouble', step: 'load', answer: 75, times: 1 },
      { op: 'put', title: 'film', how: 'again' },
      { op: 'revalidate' },
    ],
  },
  {
    shows: 'a title put with other keys under an id that it has is expected to have these',
    sequence: [
      { op: 'library', titles: { film: 'proven', series: 'proven' } },
      { op: 'update', breaks: 'wipe' },
      { op: 'put', title: 'series', how: 'unproven' },
    ],
  },
  {
    shows: 'a licence that was given up unseen before an update leaves who has its id after it alone',
    sequence: [
      { op: 'library', titles: { split: 'unproven' } },
      { op: 'trouble', step: 'adopt', answer: 'open-in-player', times: 1 },
      { op: 'interrupt', step: 'phase', nth: 2, then: 'window', update: 'salts' },
      { op: 'update', breaks: 'salts' },
      { op: 'stranger', lane: 1 },
      { op: 'hold', kind: 'playing', title: 'film', lane: 0 },
    ],
  },
  {
    shows: 'a licence that could not be removed is removed after an update that has not touched it',
    sequence: [
      { op: 'library', titles: { hers: 'unproven' } },
      { op: 'trouble', step: 'remove', answer: 'failed', times: 1 },
      { op: 'interrupt', step: 'update', nth: 0, then: 'abort', arrives: false, update: 'wipe' },
    ],
  },
  {
    shows: 'what somebody asked for again is done though the window went',
    sequence: [
      { op: 'library', titles: { split: 'unproven' } },
      { op: 'retry', title: 'split' },
      { op: 'interrupt', step: 'load', nth: 0, then: 'window', arrives: false, update: null },
    ],
  },
  {
    shows: 'a title that was downloaded again is asked for anew, whatever was asked for before',
    sequence: [
      { op: 'library', titles: { series: 'unproven', split: 'proven' } },
      { op: 'trouble', step: 'adopt', answer: 'open-in-player', times: 1 },
      { op: 'interrupt', step: 'load', nth: 0, then: 'window', arrives: false, update: null },
      { op: 'interrupt', step: 'phase', nth: 0, then: 'abort', arrives: false, update: 'wipe' },
      { op: 'relaunch', electron: 0, cdm: 0, breaks: 'salts', policy: 'patient', driver: true },
      { op: 'put', title: 'split', how: 'proven' },
      { op: 'update', breaks: 'salts' },
    ],
  },
  {
    shows: 'bad licences that could not be removed do not stay for ever',
    sequence: [
      { op: 'library', titles: { film: 'proven', abroad: 'proven', split: 'proven', hers: 'bare', canary: 'unproven' } },
      { op: 'letGo' },
      { op: 'hold', kind: 'downloading', title: 'film', lane: 1 },
      { op: 'trouble', step: 'remove', answer: 'throws', times: 2 },
      { op: 'interrupt', step: 'probe', nth: 0, then: 'abort', arrives: false, update: 'wipe' },
      { op: 'revalidate' },
      { op: 'interrupt', step: 'adopt', nth: 1, then: 'abort', arrives: false, update: 'wipe' },
      { op: 'put', title: 'canary', how: 'stale' },
      { op: 'damage', title: 'canary', session: 0, how: 'status', status: 'expired' },
      { op: 'trouble', step: 'update', answer: 'throws', times: 1 },
      { op: 'revalidate' },
    ],
  },
  {
    shows: 'what the app asks for while a title is written into the catalogue is not answered by that',
    sequence: [
      { op: 'library', cdm: 0, titles: { abroad: 'unproven' } },
      { op: 'trouble', step: 'adopt', answer: 'open-in-player', times: 1 },
      { op: 'interrupt', step: 'adopt', nth: 0, then: 'leave', arrives: false, update: 'wipe' },
      { op: 'retry', title: 'abroad' },
      { op: 'revalidate' },
    ],
  },
  {
    shows: 'what the app asks for while a licence is given to the CDM is not answered by that',
    sequence: [
      { op: 'library', cdm: 0, titles: { abroad: 'unproven' } },
      { op: 'trouble', step: 'update', answer: 'rejected', times: 1 },
      { op: 'interrupt', step: 'update', nth: 0, then: 'leave', arrives: false, update: 'wipe' },
      { op: 'retry', title: 'abroad' },
      { op: 'revalidate' },
    ],
  },
  {
    shows: 'a title that was downloaded again under the id of its other session is asked for anew',
    sequence: [
      { op: 'library', cdm: 0, titles: { film: 'proven', series: 'unproven', split: 'proven', hers: 'proven' } },
      { op: 'put', title: 'series', how: 'proven' },
      { op: 'interrupt', step: 'created', nth: 1, then: 'leave', arrives: false, update: 'salts' },
      { op: 'put', title: 'series', how: 'proven' },
      { op: 'update', breaks: 'wipe' },
      { op: 'connect', state: 'online', moved: false },
    ],
  },
];

module.exports = { REGRESSIONS };
