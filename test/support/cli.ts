/** The command as a person calls it, in this process. */
import { runCli } from '../../services/cli/program.ts';
import { Output } from '../../services/cli/terminal-output.ts';
import type { Environment } from '../../services/shared/config.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function payflow(
  args: readonly string[],
  env: Environment = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<CliResult> {
  let stdout = '';
  let stderr = '';
  const output = new Output({
    out: (text) => (stdout += text),
    err: (text) => (stderr += text),
    interactive: false,
  });
  const code = await runCli(args, { env, output, signal });
  return { code, stdout, stderr };
}
