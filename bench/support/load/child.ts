import { fork } from 'node:child_process'
import { once } from 'node:events'

/** Runs a script as a child process: sends it a message, and resolves with the one that it sends back. */
export const askChild = async <Answer>(script: string, message: object): Promise<Answer> => {
  const child = fork(script)
  const exited = once(child, 'exit')
  const answered = once(child, 'message')
  child.send(message)
  const answer = await Promise.race([answered, exited.then(() => undefined)])
  if (answer === undefined) throw new Error(`${script} ended without an answer`)
  await exited
  return answer[0] as Answer
}
