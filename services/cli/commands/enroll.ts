import type { Command } from 'commander';
import { PayflowError } from '../../shared/errors.ts';
import { enrolTill, isEnrolled } from '../../terminal-agent/identity.ts';
import type { Cli } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { gatewayUrl } from '../gateway-client.ts';
import { settlePlace, tillPlace } from '../till/till-place.ts';
import { holdTillFile } from '../till/till-start.ts';

export function enrollCommand(cli: Cli): Command {
  return cli
    .command('enroll', 'on the till: make its key, get its token, store both in DATA_DIR', [
      'enroll --code ABCD-EFGH-JKMN-PQRS',
    ])
    .option('--code <code>', 'as `terminals register` printed it; default: ENROLMENT_CODE')
    .option('--again', 'replace an enrolment that is there already')
    .action(
      cli.action(async ({ code: given, again }: { code?: string; again?: true }) => {
        const { terminalId, enrolmentCode, terminalDb: file } = cli.config;
        const code = given ?? enrolmentCode;
        if (code === undefined) throw new PayflowError('USAGE', '--code is needed');
        const lock = file === undefined ? undefined : holdTillFile(file);
        try {
          // Beside its file where that is named; else the agent takes it there at its first start.
          const place =
            file === undefined
              ? { dataDir: cli.config.dataDir, isPending: false }
              : tillPlace(cli, { file, terminalId, isHeld: true });
          const { dataDir } = place;
          if (isEnrolled(dataDir) && again !== true) {
            throw new PayflowError('CONFLICT', `${dataDir} is enrolled already; --again replaces that`);
          }
          const identity = await enrolTill({ dataDir, gatewayUrl: gatewayUrl(cli.config), code, terminalId });
          const settled = settlePlace(place);
          cli.output.line(`${identity.terminalId} of store ${identity.storeId} is enrolled (${settled})`);
        } finally {
          lock?.release();
        }
        return EXIT.yes;
      }),
    );
}
