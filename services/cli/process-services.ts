/** The services by name, each loaded only when it is wanted: `payflow status` needs no Kafka client. */
import type { Config } from '../shared/config.ts';
import type { ServiceContext } from '../shared/service-context.ts';

export const SERVICE_NAMES = ['capture', 'apply', 'gateway', 'terminal'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** @param context isLocked: of `terminal`, whose file is held already */
export async function runService(
  name: ServiceName,
  config: Config,
  context: ServiceContext & { readonly isLocked?: boolean | undefined },
): Promise<void> {
  switch (name) {
    case 'capture':
      return (await import('../central-capture/main.ts')).runCapture(config, context);
    case 'apply':
      return (await import('../central-apply/main.ts')).runApply(config, context);
    case 'gateway':
      return (await import('../gateway/main.ts')).runGateway(config, context);
    case 'terminal':
      return (await import('../terminal-agent/main.ts')).runTerminal(config, context);
  }
}
