/** One line about what a script is doing, on standard error so that results on standard output stay clean. */
export function say(line: string): void {
  process.stderr.write(`payflow: ${line}\n`);
}
