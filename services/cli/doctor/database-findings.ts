/** What the facts about PostgreSQL mean. Pure. */
import { DEFAULT_UP_PARTITIONS } from '../../shared/log/topics.ts';
import { bytesText, durationText } from '../terminal-output.ts';
import type { DatabaseFacts, MissingRight, SessionFacts, SlotFacts } from './database-facts.ts';
import { daysText } from './days-left.ts';
import { coded, error, ok, warning, type Finding } from './finding.ts';

/** 14.0: pgoutput sends no transaction in pieces, and slots tell how much WAL is left to them, from here on. */
const OLDEST_VERSION = 140_000;
const MANY_BYTES = 1024 ** 3;
const LITTLE_LEFT_BYTES = 1024 ** 3;

/** @param skewWarnMs clock offset from which somebody is told */
export function databaseFindings(facts: DatabaseFacts, skewWarnMs: number): Finding[] {
  return [
    ...serverFindings(facts),
    ...serviceFindings(facts),
    clockFinding(facts, skewWarnMs),
    ...slotFindings(facts),
    ...facts.sessions.map(sessionFinding),
    ...facts.missingRights.map(rightFinding),
  ];
}

function serverFindings(facts: DatabaseFacts): Finding[] {
  const { version, versionNumber, answeredMs, isReplica, walLevel, slotsFree, sendersFree, slots } = facts;
  const found: Finding[] = [];
  if (versionNumber < OLDEST_VERSION)
    found.push(error('database', `PostgreSQL ${version} is too old`, 'Use PostgreSQL 14 or later.'));
  else found.push(ok('database', `PostgreSQL ${version} answers in ${Math.ceil(answeredMs)} ms`));
  if (isReplica)
    found.push(error('database', 'this server is a replica', 'DATABASE_URL has to lead to the primary.'));
  if (walLevel !== 'logical')
    found.push(coded('database', 'error', { code: 'DB_WAL_LEVEL', message: `wal_level is ${walLevel}` }));
  const hasSlot = slots.some(({ isOurs }) => isOurs);
  const isReading = slots.some(({ isOurs, active }) => isOurs && active);
  if (!hasSlot && slotsFree <= 0) {
    const remedy = 'Raise max_replication_slots and restart PostgreSQL, or drop a slot that nobody reads.';
    found.push(error('database', 'no replication slot is free', remedy));
  }
  if (!isReading && sendersFree <= 0)
    found.push(error('database', 'no WAL sender is free', 'Raise max_wal_senders and restart PostgreSQL.'));
  return found;
}

/** The readiness of the gateway tells of capture. */
function serviceFindings({ partitionsRead, waitsForCapture, seesSessions }: DatabaseFacts): Finding[] {
  const found: Finding[] = [];
  if (partitionsRead === 0) {
    const remedy =
      'Start central-apply (`payflow run apply`, or `payflow up`): what tills sell waits in the log.';
    found.push(error('services', 'no central-apply is connected', remedy));
  } else if (partitionsRead < DEFAULT_UP_PARTITIONS) {
    const what = `central-apply reads ${partitionsRead} of ${DEFAULT_UP_PARTITIONS} partitions of the up stream`;
    found.push(warning('services', what, 'It takes the others in seconds; where it does not, read its log.'));
  } else found.push(ok('services', 'central-apply reads all partitions of the up stream'));
  if (waitsForCapture) {
    const remedy = 'Name the standbys in synchronous_standby_names, without `*` and without payflow-capture.';
    found.push(error('database', 'commits of the centre wait for capture as if it were a standby', remedy));
  }
  if (!seesSessions) {
    const remedy = 'GRANT pg_read_all_stats TO the login in DATABASE_URL.';
    found.push(warning('database', 'this login is not told which sessions keep others waiting', remedy));
  }
  return found;
}

/** Where the question took longer than the offset, nothing is known. */
function clockFinding({ clockOffsetMs, answeredMs }: DatabaseFacts, skewWarnMs: number): Finding {
  const offset = Math.abs(clockOffsetMs);
  const text = durationText(Math.round(offset));
  const way = clockOffsetMs > 0 ? 'ahead of' : 'behind';
  if (offset - answeredMs / 2 < skewWarnMs)
    return ok('database', `its clock is this machine's within ${text}`);
  const remedy = 'Let all machines follow one time server (NTP).';
  return warning('database', `its clock is ${text} ${way} this machine's`, remedy);
}

function slotFindings({ slots, walBytesPerDay }: DatabaseFacts): Finding[] {
  return slots.flatMap((slot) => (slot.isOurs ? ownSlot(slot, walBytesPerDay) : otherSlot(slot)));
}

function ownSlot(slot: SlotFacts, walBytesPerDay: number | null): Finding[] {
  const { name, active, keptBytes, walStatus, safeBytes } = slot;
  const keeps = `slot ${name} keeps ${bytesText(keptBytes)} of WAL`;
  if (walStatus === 'lost') {
    return [coded('database', 'error', { code: 'SLOT_LOST', message: `slot ${name} was invalidated` })];
  }
  const days = safeBytes === null ? null : daysText(safeBytes, walBytesPerDay);
  const left = `PostgreSQL drops it after ${bytesText(safeBytes)} more${days === null ? '' : ` (${days})`}`;
  const isShort = safeBytes !== null && safeBytes < LITTLE_LEFT_BYTES;
  const isLarge = (keptBytes ?? 0) > MANY_BYTES;
  if (!active) {
    const what = `${keeps}, and no capture reads it${safeBytes === null ? '' : `; ${left}`}`;
    return [error('database', what, 'Start capture (`payflow run capture`, or `payflow up`).')];
  }
  if (isShort && isLarge) {
    const remedy = 'Raise max_slot_wal_keep_size, and look why capture is slow.';
    return [error('database', `${keeps}; ${left}`, remedy)];
  }
  if (isLarge) {
    const remedy = 'Capture is behind, or a transaction is open for long: see `payflow status`.';
    return [warning('database', keeps, remedy)];
  }
  return [ok('database', keeps)];
}

/** It fills the same disk, however little it keeps today. */
function otherSlot({ name, active, keptBytes, walStatus }: SlotFacts): Finding[] {
  if (active || walStatus === 'lost') return [];
  const remedy = 'Start what reads it, or drop it: the disk fills up, and the centre stops.';
  return [
    warning('database', `slot ${name} of another keeps ${bytesText(keptBytes)}, and nobody reads it`, remedy),
  ];
}

function sessionFinding({ pid, application, login, openMs, isIdle, keepsWaiting }: SessionFacts): Finding {
  const who = `session ${pid} (${[application, login].filter((text) => text !== '').join(', ')})`;
  const state = isIdle ? 'idle in a transaction' : 'in one transaction';
  const what = `${who} is ${state} for ${durationText(openMs)}`;
  const remedy = `End it: SELECT pg_terminate_backend(${pid}).`;
  if (keepsWaiting === 0)
    return warning('database', `${what}: the WAL since then is kept, and tables can't be altered`, remedy);
  return error('database', `${what} and keeps ${keepsWaiting} of ours waiting`, remedy);
}

function rightFinding({ service, login, name, rights }: MissingRight): Finding {
  const remedy = 'Run the SQL that `payflow setup --grants` prints.';
  return error('database', `${login} (${service}) lacks ${rights.join(', ')} on ${name}`, remedy);
}
