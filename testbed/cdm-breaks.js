'use strict';

/**
 * What updates, wipes and bad disks do to Firefox's ClearKey CDM, done to a profile whose browser is closed.
 * Under gmp/<platform>/gmp-clearkey there are id/<hash>/salt (one per origin) and storage/<salt>/<hash of the name>:
 * a 4-byte little-endian length, the record's name, its data. The record `index` lists the session ids; one named by
 * a session id holds key id and key, 16 bytes each, in turn.
 */

const { readFile, readdir, rm, unlink, writeFile } = require('node:fs/promises');
const { randomBytes } = require('node:crypto');
const path = require('node:path');

/** @param {string} profile */
async function clearKeyFolder(profile) {
  const gmp = path.join(profile, 'gmp');
  for (const platform of await readdir(gmp)) {
    const folder = path.join(gmp, platform, 'gmp-clearkey');
    if (await readdir(folder).catch(() => null)) return folder;
  }
  throw new Error(`no ClearKey CDM has stored anything in ${profile}`);
}

/** Nearest to a changed storage id: every `load()` gives false afterwards. @param {string} profile */
async function rewriteSalts(profile) {
  const ids = path.join(await clearKeyFolder(profile), 'id');
  for (const hash of await readdir(ids)) {
    const file = path.join(ids, hash, 'salt');
    const { length } = await readFile(file);
    await writeFile(file, randomBytes(length).toString('hex').slice(0, length));
  }
}

/** Every licence is gone, and ids are counted from "1" again. @param {string} profile */
async function deleteStorage(profile) {
  await rm(path.join(await clearKeyFolder(profile), 'storage'), { recursive: true });
}

/** Leaves the session hollow: `load()` gives true and no key status ever comes. @param {string} profile @param {string} sessionId */
async function deleteRecord(profile, sessionId) {
  await unlink((await findRecord(profile, sessionId)).file);
}

/** The session then loads with another first key id than its content names. @param {string} profile @param {string} sessionId */
async function flipKeyId(profile, sessionId) {
  const { file, bytes, data } = await findRecord(profile, sessionId);
  bytes[data] ^= 0xff;
  await writeFile(file, bytes);
}

/**
 * What a kill can do: the CDM empties the list of its sessions before it writes it again. Every licence is gone, and nothing else of
 * the browser's storage is. @param {string} profile
 */
async function emptyIndex(profile) {
  await writeFile((await findRecord(profile, 'index')).file, '');
}

/** What was stored under an earlier salt is still there, with the same names, and nobody reads it. @param {string} profile */
async function liveSalts(profile) {
  const ids = path.join(await clearKeyFolder(profile), 'id');
  return Promise.all((await readdir(ids)).map((hash) => readFile(path.join(ids, hash, 'salt'), 'latin1')));
}

/**
 * @param {string} profile
 * @param {string} name
 * @returns {Promise<{ file: string, bytes: Buffer, data: number }>} data: where the data begin
 */
async function findRecord(profile, name) {
  for (const salt of await liveSalts(profile)) {
    const folder = path.join(await clearKeyFolder(profile), 'storage', salt);
    for (const hash of await readdir(folder).catch(() => [])) {
      const file = path.join(folder, hash);
      const bytes = await readFile(file);
      // What was removed leaves an empty file.
      if (bytes.length < 4) continue;
      const data = 4 + bytes.readUInt32LE(0);
      if (bytes.toString('latin1', 4, data) === name) return { file, bytes, data };
    }
  }
  throw new Error(`no licence with the id ${name} in ${profile}`);
}

module.exports = { rewriteSalts, deleteStorage, deleteRecord, flipKeyId, emptyIndex };
