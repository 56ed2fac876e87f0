import { ShakaDriver } from '../shaka/index.mjs';
import { start } from './start.mjs';

start((/** @type {ConstructorParameters<typeof ShakaDriver>[0]} */ options) => new ShakaDriver(options));
