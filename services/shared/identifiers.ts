/**
 * Ids of tills and stores. A till's names a folder on any operating system, a store's ends the name of a topic:
 * what is no name there is refused where it is given first.
 */
const FORM = /^[A-Za-z0-9._-]{1,64}$/;
const DOTS_ONLY = /^\.+$/;
/** Windows: devices, whatever comes behind a dot; and a dot at the end is dropped in silence. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

export function isStoreId(text: string): boolean {
  return FORM.test(text) && !DOTS_ONLY.test(text);
}

export function isTerminalId(text: string): boolean {
  return isStoreId(text) && !text.endsWith('.') && !DEVICE.test(text);
}
