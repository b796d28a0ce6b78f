/**
 * Waits for a condition, looking again every `everyMs`, and says at the deadline what was missing.
 * @param missing what to say when it never came true; may look at the state at that moment
 */
export async function until(
  condition: () => Promise<boolean> | boolean,
  missing: string | (() => Promise<string> | string),
  { deadlineMs = 60_000, everyMs = 25 }: { deadlineMs?: number; everyMs?: number } = {},
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(
        `not within ${deadlineMs} ms: ${typeof missing === 'string' ? missing : await missing()}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
