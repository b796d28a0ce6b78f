import type { Command } from 'commander';
import { PayflowError } from '../../shared/errors.ts';
import { enrolTill, isEnrolled } from '../../terminal-agent/identity.ts';
import type { Cli } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { gatewayUrl } from '../gateway-client.ts';

export function enrollCommand(cli: Cli): Command {
  return cli
    .command('enroll', 'on the till: make its key, get its token, store both in DATA_DIR', [
      'enroll --code ABCD-EFGH-JKMN-PQRS',
    ])
    .option('--code <code>', 'as `terminals register` printed it; default: ENROLMENT_CODE')
    .option('--again', 'replace an enrolment that is there already')
    .action(
      cli.action(async ({ code: given, again }: { code?: string; again?: true }) => {
        const { dataDir, terminalId, enrolmentCode } = cli.config;
        const code = given ?? enrolmentCode;
        if (code === undefined) throw new PayflowError('USAGE', '--code is needed');
        if (isEnrolled(dataDir) && again !== true) {
          throw new PayflowError('CONFLICT', `${dataDir} is enrolled already; --again replaces that`);
        }
        const identity = await enrolTill({ dataDir, gatewayUrl: gatewayUrl(cli.config), code, terminalId });
        cli.output.line(`${identity.terminalId} of store ${identity.storeId} is enrolled (${dataDir})`);
        return EXIT.yes;
      }),
    );
}
