/** Rules that live in how a till uses the pure ones: each can be left out, and then the model breaks. */
export const TILL_RULES = [
  'an image waits until its row is cut',
  'a row is looked at before its image is written',
  'settled stands in the file',
  'entries are done with the base',
  'answers name the incarnation',
  'answers wait with their image',
  'delta columns go by entries',
  'rows counted in part go up blind',
  'what an old agent file may have cut goes up blind',
  'a delete marks the base',
  'an insert stands for its image',
  'units that survive are published first',
  'what is known is in flight until all is read',
  'nothing is cut before the acceptance is read',
  'an insert without a link is undone after a hand-over',
  'nothing is cut or written while triggers are away',
  'what an insert holds beyond its entries is found',
  'all rows are looked at after a hand-over',
  'a refused row is offered whole',
] as const;

export type Rule = (typeof TILL_RULES)[number];
