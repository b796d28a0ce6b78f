/** Names of tables and columns as SQLite compares them: A to Z in either case, and `É` is another letter than `é`. */

/** Equal for names that SQLite takes for one. */
export function nameKey(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

export function isSameName(a: string, b: string): boolean {
  return a === b || nameKey(a) === nameKey(b);
}

/** Finds what is kept under a local name, in whichever case that is asked for. */
export class ByLocalName<Value> extends Map<string, Value> {
  #names: Names | undefined;

  override get(name: string): Value | undefined {
    return super.get(this.nameOf(name));
  }

  override has(name: string): boolean {
    return super.has(this.nameOf(name));
  }

  /** As it is kept here. Nothing is added any more once that was asked. */
  nameOf(name: string): string {
    return super.has(name) ? name : (this.#names ??= new Names([...this.keys()])).of(name);
  }
}

/** Of several that are one, the first holds. */
export class Names {
  readonly #byFolded = new Map<string, string>();

  constructor(names: Iterable<string>) {
    for (const name of names) {
      const key = nameKey(name);
      if (!this.#byFolded.has(key)) this.#byFolded.set(key, name);
    }
  }

  readonly of = (name: string): string => this.#byFolded.get(nameKey(name)) ?? name;
}
