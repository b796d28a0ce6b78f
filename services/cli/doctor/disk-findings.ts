/** What the facts about the disk of DATA_DIR mean. Pure. */
import { bytesText } from '../terminal-output.ts';
import { daysLeft, daysText } from './days-left.ts';
import type { DiskFacts } from './disk-facts.ts';
import { error, ok, warning, type Finding } from './finding.ts';

export interface DiskRules {
  readonly freeMb: number;
  /** When the event log was made (ms since 1970); null: not known. */
  readonly logSinceMs: number | null;
  /** null: not known. */
  readonly walBytesPerDay: number | null;
  readonly nowMs: number;
}

const MB = 1024 * 1024;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Over a week-end with a holiday nobody may look. */
const FEW_DAYS = 7;

/** A centre elsewhere, with its log at Kafka, keeps next to nothing here. */
export function diskFindings(disk: DiskFacts, rules: DiskRules): Finding[] {
  const { folder, freeBytes, logBytes, hasDatabase } = disk;
  if (logBytes === null && !hasDatabase) return [];
  const left = `${bytesText(freeBytes)} are free where ${folder} is`;
  if (freeBytes < rules.freeMb * MB) {
    const remedy = 'Make room: the centre stops when the disk is full.';
    return [error('database', `${left} (FREE_MB is ${rules.freeMb})`, remedy)];
  }
  return [
    ...(logBytes === null ? [ok('log', left)] : [logFinding(left, { freeBytes, logBytes }, rules)]),
    ...(hasDatabase ? walFinding(freeBytes, rules) : []),
  ];
}

/** The mean since it was made: what compaction and retention take away is counted as it is. */
function logFinding(
  left: string,
  { freeBytes, logBytes }: { readonly freeBytes: number; readonly logBytes: number },
  { logSinceMs, nowMs }: DiskRules,
): Finding {
  const ageMs = logSinceMs === null ? 0 : nowMs - logSinceMs;
  const perDay = ageMs < HOUR_MS ? null : (logBytes * DAY_MS) / ageMs;
  const days = daysText(freeBytes, perDay);
  const what = `${left}; the embedded log has ${bytesText(logBytes)}${days === null ? '' : `, and at its growth until now there is room for ${days}`}`;
  if ((daysLeft(freeBytes, perDay) ?? FEW_DAYS) >= FEW_DAYS) return ok('log', what);
  return warning('log', what, 'Make room, or use Kafka (KAFKA_BROKERS).');
}

/** The server keeps all WAL while nobody reads the slot, which is how disks of centres fill up. */
function walFinding(freeBytes: number, { walBytesPerDay }: DiskRules): Finding[] {
  const days = daysText(freeBytes, walBytesPerDay);
  if (days === null) return [];
  const what = `were capture to stop, the WAL of ${bytesText(walBytesPerDay)} a day would have room for ${days}`;
  if ((daysLeft(freeBytes, walBytesPerDay) ?? FEW_DAYS) >= FEW_DAYS) return [ok('database', what)];
  return [warning('database', what, 'Make room where DATA_DIR is.')];
}
