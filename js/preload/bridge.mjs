import { exposeOfflineSessions } from './expose.mjs';

exposeOfflineSessions();
