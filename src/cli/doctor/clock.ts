import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { z } from 'zod'
import type { Finding } from '../../core/define.ts'

/** What Node tells of every answer that this process gets, by whichever library it asked. */
const channels = ['undici:request:headers', 'http.client.response.finish'] as const

const byFetch = z.object({ response: z.object({ headers: z.array(z.instanceof(Buffer)) }) })
const byHttp = z.object({ response: z.object({ headers: z.object({ date: z.string().optional() }) }) })

/** Tokens, transaction ids and the age of messages all begin to suffer beyond this. */
const tolerableMs = 30_000

export interface Clock extends Disposable {
  findings(): readonly Finding[]
}

/** Compares our clock with the dates in whatever answers come while it watches. */
export function watchClock(now: () => number = Date.now): Clock {
  const skews: number[] = []
  const listen = (message: unknown) => {
    const date = Date.parse(dateOf(message) ?? '')
    if (!Number.isNaN(date)) skews.push(now() - date)
  }
  for (const channel of channels) subscribe(channel, listen)
  return {
    findings: () => judge(skews),
    [Symbol.dispose]() {
      for (const channel of channels) unsubscribe(channel, listen)
    },
  }
}

function dateOf(message: unknown): string | undefined {
  const http = byHttp.safeParse(message)
  if (http.success) return http.data.response.headers.date
  const headers = byFetch.safeParse(message).data?.response.headers.map(String) ?? []
  const index = headers.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === 'date')
  return index === -1 ? undefined : headers[index + 1]
}

function judge(skews: readonly number[]): Finding[] {
  // The answer that came fastest tells it best: the others are late by their way.
  const skew = skews.toSorted((a, b) => Math.abs(a) - Math.abs(b))[0]
  if (skew === undefined) return []
  const seconds = Math.round(Math.abs(skew) / 1000)
  if (Math.abs(skew) <= tolerableMs) return [{ level: 'ok', what: 'the clock agrees with the network' }]
  return [
    {
      level: 'warning',
      what: `the clock of this machine is ${seconds} s ${skew > 0 ? 'ahead of' : 'behind'} the network`,
      mend: 'let the system set its clock (timedatectl set-ntp true): messages look older or newer than they are',
    },
  ]
}
