/**
 * How large a batch each topic takes: asked once, and learned anew from refusals, since somebody may lower it at any
 * time. Who may not ask (a till) goes by refusals alone; what was learned so is forgotten soon, because nobody
 * would tell that the limit is as it was again.
 */
import { BATCH_OVERHEAD_BYTES } from './topic-settings.ts';
import { MAX_RECORD_BYTES } from './topics.ts';

/** What topics take that nobody changed. */
const USUAL_BYTES = MAX_RECORD_BYTES + BATCH_OVERHEAD_BYTES;
const LEARNED_FOR_MS = 30_000;

interface Limit {
  readonly bytes: number;
  readonly untilMs: number;
}

export interface TopicLimitsOptions {
  /** undefined: may not be asked. */
  readonly ask: (topic: string) => Promise<number | undefined>;
  readonly now: () => number;
}

export class TopicLimits {
  readonly #options: TopicLimitsOptions;
  readonly #limits = new Map<string, Limit>();

  constructor(options: TopicLimitsOptions) {
    this.#options = options;
  }

  /** What is known without asking. */
  known(topic: string): number | undefined {
    const limit = this.#limits.get(topic);
    return limit === undefined || limit.untilMs <= this.#options.now() ? undefined : limit.bytes;
  }

  async of(topic: string): Promise<number> {
    const known = this.known(topic);
    if (known !== undefined) return known;
    const asked = await this.#options.ask(topic);
    if (asked !== undefined) this.set(topic, asked);
    return asked ?? USUAL_BYTES;
  }

  /** A batch of this size was refused. @returns what the topic takes; or, not told, may take */
  async refused(topic: string, bytes: number): Promise<{ bytes: number; isTold: boolean }> {
    const asked = await this.#options.ask(topic);
    if (asked !== undefined && asked < bytes) {
      this.set(topic, asked);
      return { bytes: asked, isTold: true };
    }
    // It takes less than it says, or nobody says anything: less and less is tried.
    const half = Math.max(1, Math.floor(bytes / 2));
    this.#limits.set(topic, { bytes: half, untilMs: this.#options.now() + LEARNED_FOR_MS });
    return { bytes: half, isTold: false };
  }

  /** The topic says so. */
  set(topic: string, bytes: number): void {
    this.#limits.set(topic, { bytes, untilMs: Infinity });
  }

  forget(topic: string): void {
    this.#limits.delete(topic);
  }
}
