/** What a till's last report, and what the centre has of it, mean. Pure. */
import type { TerminalStatus } from '../../gateway/status.ts';
import type { AgentStatus } from '../../shared/agent-protocol.ts';
import { ERROR_CODES } from '../../shared/error-codes.ts';
import type { ParityFinding } from '../../shared/catalog/parity-finding.ts';
import { waitText } from '../till-waits.ts';
import { bytesText, durationText } from '../terminal-output.ts';
import { coded, error, warning, type Finding, type Level } from './finding.ts';

export interface TillRules {
  readonly nowMs: number;
  /** The mapping of the centre. */
  readonly mappingVersion: number | null;
  readonly version: string;
  readonly freeMb: number;
  readonly horizonDays: number;
  /** false: nobody was asked who is connected now. */
  readonly isConnectionKnown: boolean;
}

const MB = 1024 * 1024;
const DAY_MS = 86_400_000;
/** Sales wait at most so long where a till is online. */
const OLD_UNSETTLED_MS = 10 * 60_000;

/** Nothing for one that is well. */
export function tillFindings(till: TerminalStatus, rules: TillRules): Finding[] {
  const say = (level: Exclude<Level, 'ok'>, what: string, remedy: string) =>
    (level === 'error' ? error : warning)('tills', `${till.terminalId} ${what}`, remedy);
  if (till.status === 'retired') return [];
  return [
    ...standingFindings(till, rules, say),
    ...atCentre(till, say),
    ...fromBefore(till, say),
    ...(till.agent === null ? [] : reported(till.agent, rules, say)),
  ];
}

type Say = (level: Exclude<Level, 'ok'>, what: string, remedy: string) => Finding;

function standingFindings(
  till: TerminalStatus,
  { nowMs, horizonDays, isConnectionKnown }: TillRules,
  say: Say,
): Finding[] {
  const { terminalId, status, why, lastSeenAt } = till;
  if (status === 'fenced') {
    const { remedy } = ERROR_CODES.TERMINAL_FENCED;
    return [say('error', `is fenced: ${why ?? 'two of its files are in use'}`, remedy)];
  }
  if (status === 'registered') {
    return [say('warning', 'is registered and not enrolled', `Start its agent with its ENROLMENT_CODE.`)];
  }
  if (!isConnectionKnown || till.online || status === 'retiring') return [];
  const away = lastSeenAt === null ? null : nowMs - Date.parse(lastSeenAt);
  const since = away === null ? 'was never seen' : `is offline for ${durationText(away)}`;
  const isLong = away !== null && away > (horizonDays * DAY_MS) / 2;
  const remedy = isLong
    ? `After ${horizonDays} days (HORIZON_DAYS) it reads everything anew. Start it, or \`payflow terminals retire ${terminalId}\`.`
    : 'Sales go on there. Where it should be online, look at its agent and its network.';
  return [say('warning', since, remedy)];
}

function atCentre(till: TerminalStatus, say: Say): Finding[] {
  const { terminalId, waits, deadLetters, notAllowed, evidenceGone, held } = till;
  const found = waits.map((wait) =>
    coded('tills', 'error', { code: wait.code, message: waitText(terminalId, wait) }),
  );
  if (deadLetters > 0) {
    const remedy = `\`payflow dead-letters list --terminal ${terminalId}\`, then retry or discard each.`;
    const foreign = notAllowed === 0 ? '' : `, ${notAllowed} of them changes that it may not make`;
    const old =
      evidenceGone === 0 ? '' : `, ${evidenceGone} of them of a restored file, older than the evidence`;
    found.push(say('error', `has ${deadLetters} open dead letters${foreign}${old}`, remedy));
  }
  if (held > 0 && waits.length === 0) {
    found.push(say('error', `has ${held} records held`, `\`payflow held list --terminal ${terminalId}\`.`));
  }
  return found;
}

function fromBefore({ terminalId, agent }: TerminalStatus, say: Say): Finding[] {
  const rows = agent?.earlierRows ?? [];
  if (rows.length === 0) return [];
  const tables = rows.map((each) => `${each.table} ${each.rows}`).join(', ');
  const what = `has rows from before it was connected that have no link to the centre: ${tables}`;
  const remedy = `\`payflow bootstrap --terminal ${terminalId}\`; where none of them is the centre's, with --none.`;
  return [say('warning', what, remedy)];
}

function reported(agent: AgentStatus, rules: TillRules, say: Say): Finding[] {
  return [
    ...flowFindings(agent, rules, say),
    ...tableFindings(agent, say),
    ...fileFindings(agent, rules, say),
    ...versionFindings(agent, rules, say),
  ];
}

function flowFindings(
  { outbox, parked, state, why }: AgentStatus,
  { nowMs }: TillRules,
  say: Say,
): Finding[] {
  const found: Finding[] = [];
  const oldest = outbox.oldestUnsettledMs;
  if (oldest !== null && nowMs - oldest > OLD_UNSETTLED_MS) {
    const what = `has ${outbox.depth} changes without an answer, the oldest for ${durationText(nowMs - oldest)}`;
    found.push(say('warning', what, 'Look whether central-apply runs, and what `payflow held list` says.'));
  }
  if (state === 'catching up' && why != null) found.push(say('warning', why, 'It ends by itself.'));
  if (parked > 0) {
    const remedy =
      'They wait for a parent, or a constraint of the till refuses them: the log of its agent names them.';
    found.push(say('warning', `keeps ${parked} rows of the centre waiting`, remedy));
  }
  return found;
}

function tableFindings(agent: AgentStatus, say: Say): Finding[] {
  const { missingTables, uninstallableTables, restingTriggers, vanishedRows } = agent;
  const found: Finding[] = [];
  if (missingTables.length > 0) {
    const remedy = 'Nothing where it is meant so; else the app has to make them.';
    found.push(say('warning', `lacks mapped tables: ${missingTables.join(', ')}`, remedy));
  }
  for (const { table, why } of uninstallableTables ?? [])
    found.push(
      say('error', `does not capture ${table}: ${why}`, 'What is sold into it is not sent. Mend the table.'),
    );
  for (const { table, why } of restingTriggers ?? [])
    found.push(say('warning', `keeps triggers of the app on ${table} still: ${why}`, 'Mend the trigger.'));
  for (const { table, rows } of vanishedRows ?? []) {
    const remedy = `\`payflow triggers sweep --deletes\` there, if ${rows} rows of it were deleted; restore them if not.`;
    found.push(
      say('error', `has a table in need of a look: ${rows} rows of ${table} are gone without a word`, remedy),
    );
  }
  return found;
}

function fileFindings({ file }: AgentStatus, { freeMb }: TillRules, say: Say): Finding[] {
  if (file == null) return [];
  const found: Finding[] = [];
  if (file.network !== null) {
    const remedy = 'Move it to a disk of the till: SQLite loses data over a network.';
    found.push(say('error', `has its payflow.db on a network path (${file.network})`, remedy));
  }
  if (file.journalMode !== 'wal') {
    const remedy =
      'PRAGMA journal_mode = WAL, once, by the app: until then the app and the agent wait for each other.';
    found.push(say('warning', `keeps payflow.db in journal mode ${file.journalMode}`, remedy));
  }
  if (file.freeBytes < freeMb * MB) {
    const remedy = 'Make room: push pauses there, sales go on.';
    found.push(
      say('error', `has ${bytesText(file.freeBytes)} left on its disk (FREE_MB is ${freeMb})`, remedy),
    );
  }
  return found;
}

function versionFindings(agent: AgentStatus, { mappingVersion, version }: TillRules, say: Say): Finding[] {
  const { unreadMapping } = agent;
  if (unreadMapping != null) {
    const what = `can't read mapping ${unreadMapping.version}: ${unreadMapping.why}`;
    return [say('error', what, 'Upgrade payflow-sync there.')];
  }
  const found: Finding[] = [];
  if (mappingVersion !== null && agent.mappingVersion < mappingVersion) {
    const what = `works by mapping ${agent.mappingVersion}, the centre by ${mappingVersion}`;
    found.push(
      say('warning', what, 'It takes the newer one from its stream; where it does not, read its log.'),
    );
  }
  if (agent.version !== version)
    found.push(
      say('warning', `runs payflow-sync ${agent.version}, the centre ${version}`, 'Upgrade the older one.'),
    );
  return found;
}

/** Its connection stands, and it said nothing in the time that is given to it. */
export function silentTill(terminalId: string): Finding {
  const remedy =
    'Look at its agent and its network, and restart the agent where it hangs. Sales go on there.';
  return error('tills', `${terminalId} is connected, and does not answer`, remedy);
}

/** Its tables against those of the centre. */
export function parityFindings(terminalId: string, findings: readonly ParityFinding[]): Finding[] {
  const mismatches = findings.filter(({ kind }) => kind === 'mismatch');
  const warnings = findings.length - mismatches.length;
  const command = `\`payflow parity --terminal ${terminalId}\` names all.`;
  const [first] = mismatches;
  if (first !== undefined) {
    const more = mismatches.length === 1 ? '' : `, and ${mismatches.length - 1} more`;
    return [error('tills', `${terminalId} can't sync: ${first.message}${more}`, command)];
  }
  if (warnings === 0) return [];
  return [warning('tills', `${terminalId} has ${warnings} parity warnings`, command)];
}
