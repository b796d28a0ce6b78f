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
}
