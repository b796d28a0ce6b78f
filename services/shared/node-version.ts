/**
 * Which Node this runs on. The file imports nothing and uses no new syntax, for it is an old Node that has to read it.
 */

/** The same versions stand in package.json's `engines` and in scripts/support/node.sh. */
export const SUPPORTED_NODE = 'Node.js 22.18 or newer, 24 or 26';

const OLDEST = { major: 22, minor: 18 };

/** @param version as in `process.versions.node`: `22.18.0` */
export function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor);
}
