/** What a DBA does to a publication. Whether a table is in or out is nobody's to know beforehand: the watch puts it back. */

export function leave(publication: string, table: string): string {
  return `DO $$ BEGIN ALTER PUBLICATION "${publication}" DROP TABLE ${table};
    EXCEPTION WHEN undefined_object THEN NULL; END $$;`;
}

export function join(publication: string, table: string): string {
  return `DO $$ BEGIN ALTER PUBLICATION "${publication}" ADD TABLE ${table};
    EXCEPTION WHEN duplicate_object THEN NULL; END $$;`;
}
