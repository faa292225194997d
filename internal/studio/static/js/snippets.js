// A job as a request that a program makes: with curl, in Go, in Python. The key is a
// variable; the page does not have it.

/** requestOf is what would be posted to have the job again. */
export function requestOf(job) {
  const body = { model: job.model, prompt: job.prompt, seconds: job.seconds, size: `${job.width}x${job.height}`, seed: job.seed };
  for (const name of ['fps', 'steps', 'guidance', 'after', 'join']) if (job[name]) body[name] = job[name];
  return body;
}

// In single quotes a shell changes nothing; a single quote ends them.
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// A string in Go has the escapes of JSON, but for the slash.
const golang = (text) => JSON.stringify(text);

/** curl is the request as a command. */
export const curl = (job) => `curl ${location.origin}/v1/jobs -H "Authorization: Bearer $KINORA_KEY" \\
  --json ${shell(JSON.stringify(requestOf(job)))}`;

/** python is the request in Python, with nothing but its own library. */
export const python = (job) => `import json, os, urllib.request

request = urllib.request.Request(
    ${JSON.stringify(location.origin + '/v1/jobs')},
    data=json.dumps(json.loads(${JSON.stringify(JSON.stringify(requestOf(job)))})).encode(),
    headers={"Authorization": "Bearer " + os.environ["KINORA_KEY"], "Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer)["id"])
`;

/** go is the request in Go, with nothing but its own library. */
export const go = (job) => `package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	body := strings.NewReader(${golang(JSON.stringify(requestOf(job)))})
	req, err := http.NewRequest("POST", ${golang(location.origin + '/v1/jobs')}, body)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("KINORA_KEY"))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	fmt.Println(string(answer), err)
}
`;
