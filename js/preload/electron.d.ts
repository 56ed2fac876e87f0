/** The part of Electron that its preload uses. */
declare module 'electron' {
  interface IpcRenderer {
    send(channel: string, message: object): void;
    on(channel: string, listener: (event: unknown, message: unknown) => void): void;
  }
  const ipcRenderer: IpcRenderer | undefined;
}
