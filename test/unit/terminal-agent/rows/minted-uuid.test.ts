import { expect, test } from 'vitest';
import { UuidMinter } from '../../../../services/terminal-agent/rows/minted-uuid.ts';

test('minted UUIDs are of version 7, all different, and grow, also within a ms and when the clock goes back', () => {
  const minter = new UuidMinter();
  const clock = (index: number) => (index < 9_000 ? 1_800_000_000_000 : 1_799_999_999_000);
  const minted = Array.from({ length: 10_000 }, (_, index) => minter.mint(clock(index)));
  expect(new Set(minted).size).toBe(minted.length);
  expect([...minted].sort()).toEqual(minted);
  for (const uuid of minted)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
