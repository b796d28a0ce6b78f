/** For tests of what a dead process leaves behind. */
import { execFileSync } from 'node:child_process';

/** @returns the command lines of running processes that mention the text, zombies aside */
export function processesMentioning(text: string): string[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(text) && !/^\s*\d+\s+Z/.test(line));
}
