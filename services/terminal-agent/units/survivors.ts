/**
 * Units that only the agent file still has: they are in no log, and payflow.db, which they were cut from, was put back or
 * replaced since. They go up under the name of then, and no file goes on before they have: it would forget them.
 */
import type { TillDatabase } from '../till/till-database.ts';
import type { AgentFile } from './agent-file.ts';

export function hasSurvivors({ proof }: Pick<TillDatabase, 'proof'>, agentFile: AgentFile): boolean {
  const { waiting, cutEntries } = agentFile;
  if (waiting?.predecessor == null || agentFile.unpublished(Infinity, 1).length === 0) return false;
  const { upTo, id } = cutEntries;
  return waiting.isAnotherFile === true || (id !== null && !proof.holds({ seq: upTo, id }));
}
