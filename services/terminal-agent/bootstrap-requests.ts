/** Bootstrap as it is asked for: what comes before the rows are offered, and what has to have come back after. */
import type { Logger } from 'pino';
import type { BootstrapResult } from '../shared/agent-protocol.ts';
import type { TillApply } from './apply.ts';
import { Bootstrap } from './bootstrap.ts';
import { bootstrapResult, noneResult, offerOutcomes, refusedRows } from './bootstrap-result.ts';
import type { TillCapture } from './capture.ts';
import type { TillRequests } from './requests.ts';
import type { TillStanding } from './standing.ts';
import type { TillDatabase } from './till/till-database.ts';
import type { AgentFile } from './units/agent-file.ts';

export interface BootstrapParts {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly capture: TillCapture;
  readonly apply: TillApply;
  readonly requests: TillRequests;
  readonly standing: TillStanding;
  readonly log: Logger;
  /** What waited for it may come in. */
  readonly onDone: () => void;
}

/** Of a large file it waits for the centre to answer all of it. */
const TIMEOUT_MS = 60 * 60 * 1000;

export class BootstrapRequests {
  readonly #parts: BootstrapParts;

  constructor(parts: BootstrapParts) {
    this.#parts = parts;
  }

  /** Offers the rows that were there before, and waits until the centre has answered them. */
  async offer({ dryRun }: { dryRun: boolean }): Promise<BootstrapResult> {
    const { till, agentFile, capture, apply, requests, onDone } = this.#parts;
    const bootstrap = this.#bootstrap();
    // What the centre has of these rows links them, or parents of them that are never offered.
    if (!dryRun) await requests.readToEnd(TIMEOUT_MS);
    capture.cutAll();
    apply.applyLocal();
    if (dryRun) return bootstrapResult(bootstrap.count(), new Map(), { dryRun, rows: bootstrap.listed() });
    const after = agentFile.chain.lastSeq;
    const tables = await bootstrap.offerAll();
    await requests.flush(TIMEOUT_MS);
    bootstrap.finish(tables);
    onDone();
    const { changes } = agentFile;
    const { flight } = capture;
    const refused = refusedRows(till.db, { changes, flight, after });
    const rows = [...bootstrap.listed(), ...refused];
    return bootstrapResult(tables, offerOutcomes(changes, flight, after), { dryRun, rows });
  }

  /** An operator says that none of the rows from before is the centre's. */
  none(): BootstrapResult {
    const rows = this.#bootstrap().none();
    this.#parts.onDone();
    return noneResult(rows);
  }

  #bootstrap(): Bootstrap {
    const { till, standing, log } = this.#parts;
    if (standing.refusal !== undefined) throw standing.refusal;
    return new Bootstrap({ till, log });
  }
}
