'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { text } = require('node:stream/consumers');

const FIGURES = ['licensed', 'requests', 'rejected', 'seconds', 'clickedTitleWaitMs'];

test('npm run flood gives its figures in the last line, and says of each target whether it was met', async () => {
  const script = path.join(__dirname, '../examples/flood');
  const child = spawn(process.execPath, [script, '--json', '--sessions', '12', '--capacity', '6,50'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  const lines = output.trimEnd().split('\n');
  expect(lines.filter((line) => /^(met|MISSED) /.test(line))).toHaveLength(8);
  const { sessions, runs } = JSON.parse(lines.at(-1));
  expect({ sessions, capacities: runs.map(({ capacityPerS }) => capacityPerS) }).toEqual({ sessions: 12, capacities: [6, 50] });
  for (const { ours, naive } of runs) {
    expect([Object.keys(ours), Object.keys(naive)]).toEqual([FIGURES, FIGURES]);
    expect(ours.licensed).toBe(12);
    expect(ours.requests).toBe(12 + ours.rejected);
  }
});
