import { once } from 'node:events'
import { createServer } from 'node:http'

/** A log-in page of an organisation (the protocol CAS, as Synapse speaks it): one press, and one is `user`. */
export async function startCasServer(user: string): Promise<{ readonly url: string; stop(): void }> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    if (url.pathname === '/login') {
      const back = new URL(url.searchParams.get('service') ?? '')
      back.searchParams.set('ticket', 'ST-1')
      response.writeHead(200, { 'content-type': 'text/html' })
      return void response.end(`<a href="${back.href.replaceAll('&', '&amp;')}">Log in as ${user}</a>`)
    }
    const isValid = url.pathname.endsWith('Validate') && url.searchParams.get('ticket') === 'ST-1'
    const outcome = isValid
      ? `<cas:authenticationSuccess><cas:user>${user}</cas:user></cas:authenticationSuccess>`
      : '<cas:authenticationFailure code="INVALID_TICKET">no</cas:authenticationFailure>'
    response.writeHead(isValid ? 200 : 404, { 'content-type': 'application/xml' })
    return void response.end(
      `<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas">${outcome}</cas:serviceResponse>`,
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
