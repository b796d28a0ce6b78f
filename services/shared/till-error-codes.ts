/** Codes of a till: its file, its registration at the centre, and the files that bear its name. See error-codes.ts. */
import { entry, type CodeEntry } from './error-entry.ts';

export const TILL_ERROR_CODES = {
  TERMINAL_DB_MISSING: entry(
    500,
    'fatal',
    'The till file does not exist.',
    'Set TERMINAL_DB to the path of payflow.db.',
  ),
  TERMINAL_DB_READ_ONLY: entry(
    500,
    'fatal',
    'The till file, or its folder, cannot be written.',
    'Give the agent write permission on the file and its folder.',
  ),
  TERMINAL_DB_INVALID: entry(
    500,
    'fatal',
    'The till file is not an SQLite database.',
    'Check TERMINAL_DB; encrypted files cannot be synced.',
  ),
  TERMINAL_DB_REPLACED: entry(
    503,
    'manual',
    'Another file stands where the till file was, it was put back to an older state, or tables of ours were dropped from it.',
    'The agent opens it anew by itself, and looks whether it is the file that it knows.',
  ),
  TERMINAL_DB_IN_USE: entry(
    500,
    'fatal',
    'Another agent has this till file open.',
    'Stop the other agent; one agent per till.',
  ),
  TERMINAL_DB_BUSY: entry(
    503,
    'timed',
    'The till file stays locked by another program.',
    'It is tried again; long transactions of the app delay sync.',
  ),
  TERMINAL_DB_IO: entry(
    503,
    'timed',
    'The disk under the till file gave an error.',
    'Check the disk; the agent tries again by itself.',
  ),
  TERMINAL_DISK_FULL: entry(
    503,
    'timed',
    'The till is out of disk space.',
    'Free some space; capture and push go on then.',
  ),
  TERMINAL_OUTDATED: entry(
    409,
    'manual',
    'The centre’s mapping names what this version of the agent does not know; the one before holds on.',
    'Install the current version on the till and start it: it takes the mapping by itself.',
  ),
  TERMINAL_UNKNOWN: entry(404, 'manual', 'No such terminal.', 'See `payflow terminals list`.'),
  TERMINAL_ANNOUNCED: entry(
    503,
    'timed',
    'The till file was restored or replaced, or its agent file was lost: it has announced itself to the centre.',
    'Nothing, it goes on by itself once the centre has read that; if it does not, see `payflow terminals show`.',
  ),
  TERMINAL_FENCED: entry(
    409,
    'manual',
    'Two files of the till live, or nobody knows whether this one goes on from the one that the centre knows.',
    'See `payflow terminals show`, then say with `payflow terminals unfence` which file goes on.',
  ),
  TERMINAL_OTHER_CENTRE: entry(
    409,
    'fatal',
    'The till belongs to another centre (another database id).',
    'Use the till’s own centre, or a payflow.db that no other centre knows; a copy after `payflow triggers remove --all` is one.',
  ),
  TERMINAL_REPLACED: entry(
    401,
    'manual',
    'The till was enrolled again elsewhere, with another key.',
    'Stop this installation, or give it back its place: `payflow terminals register --replace`, then `payflow enroll`.',
  ),
  TERMINAL_OFFLINE: entry(
    503,
    'timed',
    'The till is not connected.',
    'Start its agent (`payflow run terminal`); a sync that waits runs when it connects.',
  ),
  TERMINAL_NOT_ENROLLED: entry(
    401,
    'fatal',
    'This till has no key and token yet.',
    'Run `payflow enroll --code CODE`.',
  ),
  ENROLMENT_REFUSED: entry(
    403,
    'fatal',
    'The enrolment code is wrong, used or expired.',
    'Make a new one: `payflow terminals register`.',
  ),
  TERMINAL_RETIRED: entry(
    409,
    'manual',
    'The terminal was retired.',
    'Take it back into service with `payflow terminals register --replace`, or register the till under a new id.',
  ),
} as const satisfies Record<string, CodeEntry>;
