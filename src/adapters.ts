import { readdirSync } from 'node:fs'
import { z } from 'zod'
import type { ProviderDefinition, TransportDefinition } from './core/define.ts'

/** The folders of src/transports and src/providers are the list of what there is; nobody keeps another. */
export function adapterNames(kind: 'transports' | 'providers'): readonly string[] {
  return readdirSync(new URL(`./${kind}/`, import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}

const module = z.object({ default: z.custom<object>((value) => typeof value === 'object' && value !== null) })

async function load(kind: 'transports' | 'providers', name: string): Promise<object> {
  return module.parse(await import(`./${kind}/${name}/index.ts`)).default
}

/** `name` must be one of `adapterNames('transports')`. */
export async function loadTransport(name: string): Promise<TransportDefinition> {
  // The architecture test holds every folder to its definition.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (await load('transports', name)) as TransportDefinition
}

/** `name` must be one of `adapterNames('providers')`. */
export async function loadProvider(name: string): Promise<ProviderDefinition> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (await load('providers', name)) as ProviderDefinition
}
