'use strict';

/**
 * What of Electron is used, in Electron's own types and no more of them than this; it all comes in as arguments.
 *
 * @typedef {Pick<import('electron').App, 'getPath' | 'getVersion' | 'off' | 'on' | 'quit' | 'whenReady'>} App
 * @typedef {Pick<import('electron').IpcMain, 'handle' | 'off' | 'on' | 'removeHandler'>} IpcMain
 * @typedef {Pick<import('electron').PowerMonitor, 'off' | 'on'>} PowerMonitor
 * @typedef {Pick<import('electron').Net, 'isOnline'>} Net
 * @typedef {Pick<import('electron').WebContents, 'close' | 'getURL' | 'isDestroyed' | 'loadURL' | 'off' | 'on' | 'send'
 *   | 'setWindowOpenHandler'>} WebContents
 * @typedef {Pick<import('electron').WebFrameMain, 'detached' | 'origin' | 'parent'>} Frame
 * @typedef {{ isDestroyed(): boolean, once(event: 'closed', listener: () => void): unknown,
 *   off(event: 'closed', listener: () => void): unknown }} Window any, of the app's or ours
 * @typedef {{ getAllWindows(): Window[] }} Windows
 * @typedef {Window & { destroy(): void, webContents: WebContents, excludedFromShownWindowsMenu: boolean }} HiddenWindow
 * @typedef {Windows & { new (options: import('electron').BrowserWindowConstructorOptions): HiddenWindow }} BrowserWindows
 * @typedef {{ new (options: import('electron').WebContentsViewConstructorOptions): { webContents: WebContents } }} Views
 *
 * @typedef {object} Components Electron for Content Security's own (castlabs/electron-releases, docs/api/components.md); stock Electron has none
 * @property {(required?: string[]) => Promise<unknown>} whenReady
 * @property {() => Record<string, ComponentStatus>} status
 * @property {string} [WIDEVINE_CDM_ID]
 * @property {boolean} [updatesEnabled] persisted by Electron; false before a component is installed: it never is
 *
 * @typedef {{ status?: string, title?: string, name?: string, version?: string | null }} ComponentStatus `title` was `name` before 25.9.3
 *
 * @typedef {{ on(event: string, listener: (...args: any[]) => void): unknown, off(event: string, listener: (...args: any[]) => void): unknown }} Emitter
 * @typedef {Emitter & { autoDownload: boolean, autoInstallOnAppQuit?: boolean, autoInstallEvent?: string, downloadUpdate(): Promise<unknown> }}
 *   ElectronUpdater electron-updater's, with `autoInstallEvent` from 7
 * @typedef {Emitter | ElectronUpdater} Updater also Electron's own
 */

module.exports = {};
