/**
 * How large a batch each topic takes: asked once, and learned anew from refusals, since somebody may lower it at any
 * time, or raise it again.
 *
 *   known by           | a batch is cut by it | a record above it
 *   -------------------+----------------------+--------------------------------------------------------------
 *   told by the topic  | yes                  | the topic is asked again first, then it is refused unsent
 *   a refusal (a guess)| yes, for a while     | is sent, alone: only the broker knows
 *   nobody             | by the usual         | above the usual it is refused: no topic of ours takes more
 *
 * Who may not ask (a till) goes by refusals alone; what was learned so is forgotten soon, because nobody would tell
 * that the limit is as it was again.
 */
import { BATCH_OVERHEAD_BYTES } from './topic-settings.ts';
import { MAX_RECORD_BYTES } from './topics.ts';

/** What topics take that nobody changed. */
const USUAL_BYTES = MAX_RECORD_BYTES + BATCH_OVERHEAD_BYTES;
const LEARNED_FOR_MS = 30_000;

export interface TopicLimit {
  readonly bytes: number;
  /** Otherwise it is a guess. */
  readonly isTold: boolean;
}

interface Known extends TopicLimit {
  readonly untilMs: number;
}

export interface TopicLimitsOptions {
  /** undefined: may not be asked. */
  readonly ask: (topic: string) => Promise<number | undefined>;
  readonly now: () => number;
}

export class TopicLimits {
  readonly #options: TopicLimitsOptions;
  readonly #limits = new Map<string, Known>();

  constructor(options: TopicLimitsOptions) {
    this.#options = options;
  }

  /** What is known without asking. */
  known(topic: string): number | undefined {
    return this.#known(topic)?.bytes;
  }

  /** @param bytes what has to fit at least: what was told before does not refuse it without being asked again */
  async of(topic: string, bytes: number): Promise<TopicLimit> {
    const known = this.#known(topic);
    if (known !== undefined && (!known.isTold || bytes <= known.bytes)) return known;
    const asked = await this.#options.ask(topic);
    if (asked === undefined) return { bytes: USUAL_BYTES, isTold: false };
    this.set(topic, asked);
    return { bytes: asked, isTold: true };
  }

  /** A batch of this size was refused. @returns what the topic takes; or, not told, may take */
  async refused(topic: string, bytes: number): Promise<TopicLimit> {
    const asked = await this.#options.ask(topic);
    if (asked !== undefined && asked < bytes) {
      this.set(topic, asked);
      return { bytes: asked, isTold: true };
    }
    // It takes less than it says, or nobody says anything: less and less is tried.
    const half = Math.max(1, Math.floor(bytes / 2));
    const untilMs = this.#options.now() + LEARNED_FOR_MS;
    this.#limits.set(topic, { bytes: half, isTold: false, untilMs });
    return { bytes: half, isTold: false };
  }

  /** The topic says so. */
  set(topic: string, bytes: number): void {
    this.#limits.set(topic, { bytes, isTold: true, untilMs: Infinity });
  }

  forget(topic: string): void {
    this.#limits.delete(topic);
  }

  #known(topic: string): Known | undefined {
    const limit = this.#limits.get(topic);
    return limit === undefined || limit.untilMs <= this.#options.now() ? undefined : limit;
  }
}
