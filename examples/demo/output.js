'use strict';

const { styleText } = require('node:util');

const BAR_WIDTH = 30;

/** @param {string} text */
function line(text) {
  console.log(text);
}

/** @param {string} text */
function headline(text) {
  console.log(`\n${process.stdout.isTTY ? styleText('bold', text) : text}`);
}

/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  for (const row of [head, ...rows]) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
}

/** A bar on a terminal; elsewhere a line for each quarter. */
function progress() {
  let lastQuarter = -1;
  /** @param {{ done: number, total: number, checked: number, lost: number, licensed: number }} at */
  function update({ done, total, checked, lost, licensed }) {
    const part = total > 0 ? done / total : 1;
    const figures = `${done} of ${total}: checked ${checked}, lost ${lost}, licensed ${licensed}`;
    if (process.stdout.isTTY) {
      const full = Math.round(part * BAR_WIDTH);
      process.stdout.write(`\r\x1b[K${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}  ${figures}`);
      return;
    }
    const quarter = Math.floor(part * 4);
    if (quarter === lastQuarter) return;
    lastQuarter = quarter;
    console.log(figures);
  }
  return { update, end: () => { if (process.stdout.isTTY) process.stdout.write('\n'); } };
}

module.exports = { line, headline, table, progress };
