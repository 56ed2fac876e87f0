import { EmeDriver } from '../renderer/index.mjs';
import { start } from './start.mjs';

start((/** @type {ConstructorParameters<typeof EmeDriver>[0]} */ hooks) => new EmeDriver(hooks));
