/**
 * How long this till may be away without reading its streams again. The centre says so in its mapping record; until it
 * has, the till goes by its enrolment. A till that hears of a shorter horizon can't know whether it was away for longer
 * than that while its streams were kept so already: it reads them again.
 */
import type { Logger } from 'pino';
import {
  comparePositions,
  decodePosition,
  encodePosition,
  type Position,
} from '../../shared/records/position.ts';
import { DEFAULT_HORIZON_DAYS } from '../../shared/log/topics.ts';
import type { UnseenRows } from '../rows/unseen.ts';
import type { TillHost } from '../till/till-host.ts';
import type { MappingRecord } from './incoming.ts';

/** In sync_meta: the days, and (as hex) the position of the record that said so. */
const DAYS = 'horizon_days';
const SAID_AT = 'horizon_position';

export interface HorizonOptions {
  readonly till: TillHost;
  readonly topics: { readonly catalog: string; readonly store: string };
  /** Until the centre says otherwise. */
  readonly horizonDays?: number | undefined;
  readonly unseen: UnseenRows;
  readonly log: Logger;
}

export class Horizon {
  readonly #options: HorizonOptions;

  constructor(options: HorizonOptions) {
    this.#options = options;
  }

  get days(): number {
    const { till, horizonDays = DEFAULT_HORIZON_DAYS } = this.#options;
    return Number(till.getMeta(DAYS) ?? horizonDays);
  }

  /** @returns whether it is shorter, so that the streams have to be read again */
  hear({ horizonDays: days }: MappingRecord, at: Position | null): boolean {
    const { till, topics, unseen, log } = this.#options;
    if (days === undefined || at === null) return false;
    const saidAt = till.getMeta(SAID_AT);
    // A stream that is read again tells older ones too.
    if (saidAt !== undefined && comparePositions(at, decodePosition(Buffer.from(saidAt, 'hex'))) <= 0)
      return false;
    const isShorter = days < this.days;
    till.write(() => {
      till.setMeta(DAYS, String(days));
      till.setMeta(SAID_AT, encodePosition(at).toString('hex'));
      if (isShorter) for (const topic of Object.values(topics)) unseen.doubt(topic);
    });
    if (isShorter) log.info({ days }, 'the horizon is shorter; the streams are read from the beginning');
    return isShorter;
  }
}
