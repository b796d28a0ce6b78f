/** What parity found wrong, or worth a look, between both schemas. */
export interface ParityFinding {
  readonly kind: 'mismatch' | 'warning';
  /** Local table name. */
  readonly table: string;
  readonly column?: string;
  /** Stable, for programs. */
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  /** Of the mapping, where it would be put right. */
  readonly line?: number | undefined;
  /** What to put into the table's part of the mapping; not there where only the databases can be changed. */
  readonly put?: string | undefined;
}
