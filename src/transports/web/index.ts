import { z } from 'zod'
import { defineTransport } from '../../core/define.ts'
import { WebTransport } from './web-transport.ts'

const loopback = ['127.0.0.1', '::1', 'localhost']

const config = z.object({
  web: z
    .object({
      port: z
        .int('a port number is needed, 0 for any that is free')
        .min(0, 'a port number is needed, 0 for any that is free')
        .max(65_535, 'a port number is at most 65535')
        .default(0)
        .describe('The port of the page; 0 takes any that is free and keeps it.'),
      host: z
        .string()
        .refine(
          (host) => loopback.includes(host),
          'the page is for this machine alone: 127.0.0.1, ::1 or localhost',
        )
        .default('127.0.0.1')
        .describe('The loopback address of the page.'),
      max_file_mb: z
        .number('a number of megabytes is needed')
        .positive('more than 0 is needed')
        .max(2000, 'at most 2000')
        .default(100)
        .describe('The largest file, in MB, that can be sent from the page.'),
    })
    .prefault({}),
})

export type WebConfig = z.infer<typeof config>['web']

export default defineTransport({
  name: 'web',
  prefix: 'web',
  config,
  setUp: {
    title: 'Only this machine',
    hint: 'a chat page in your browser, no account',
    exclusive: true,
    options: {},
    run: async () => ({
      keys: {},
      next: 'Open the address that ductor prints, in a browser on this machine.',
    }),
  },
  open: ({ web }, deps) => new WebTransport(web, deps),
})
