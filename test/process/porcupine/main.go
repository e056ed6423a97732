// Judges histories of calls on memX with Porcupine, a linearizability checker. Its arguments are files with an operation on
// each line, as test/process/support/history.ts writes them. Prints a line for each file, and exits with 1 if one of them
// is not linearizable, or if Porcupine could not decide.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

// version is what a key holds. Every write of a history has a value of its own.
type version struct {
	Value    string `json:"value"`
	Revision int64  `json:"revision"`
}

type operation struct {
	Client int    `json:"client"`
	Key    string `json:"key"`
	// Op is "set", "get", or "delete".
	Op    string `json:"op"`
	Value string `json:"value"`
	// Expect is what the write requires: absent for no condition, a revision of 0 for a key without a value.
	Expect *version `json:"expect"`
	Call   int64    `json:"call"`
	// Return is absent if the call has no response: it may have taken effect at any later time, or never.
	Return *int64 `json:"return"`
	// Outcome is "applied", "nothing" (a delete of nothing), "conflict", "read", or "unknown".
	Outcome string `json:"outcome"`
	// Revision is that of the applied change.
	Revision int64 `json:"revision"`
	// Current is what a read or a conflict says that the key holds, absent for no value.
	Current *version `json:"current"`
}

// register is the model of one key. Its zero value is a key that was never written.
type register struct {
	exists bool
	value  string
	// revision is that of the last change, or less if isExact is false.
	revision int64
	// isExact is false after a write without a response, until a read tells its revision.
	isExact bool
}

// after returns the register after a change with this revision, or false if the register has had that revision.
func (r register) after(exists bool, value string, revision int64) (bool, register) {
	return revision > r.revision, register{exists, value, revision, true}
}

// afterUnknown returns the register after a change whose revision is not known.
func (r register) afterUnknown(exists bool, value string) register {
	return register{exists, value, r.revision, false}
}

// shows returns whether the register can hold `current`, and the register with the revision that this tells.
func (r register) shows(current *version) (bool, register) {
	if current == nil {
		return !r.exists, r
	}
	if !r.exists || r.value != current.Value {
		return false, r
	}
	if r.isExact {
		return r.revision == current.Revision, r
	}
	return r.after(true, r.value, current.Revision)
}

// meets returns whether a write with this condition is applied.
func (r register) meets(expect *version) bool {
	if expect == nil {
		return true
	}
	if expect.Revision == 0 {
		return !r.exists
	}
	return r.exists && r.value == expect.Value && (!r.isExact || r.revision == expect.Revision)
}

func step(r register, o operation) (bool, register) {
	isSet := o.Op == "set"
	if o.Outcome == "read" {
		return r.shows(o.Current)
	}
	if o.Outcome == "conflict" {
		if r.meets(o.Expect) {
			return false, r
		}
		return r.shows(o.Current)
	}
	if o.Outcome == "unknown" {
		if !r.meets(o.Expect) || (!isSet && !r.exists) {
			return true, r
		}
		return true, r.afterUnknown(isSet, o.Value)
	}
	if !r.meets(o.Expect) || (!isSet && r.exists != (o.Outcome == "applied")) {
		return false, r
	}
	if o.Outcome == "nothing" {
		return true, r
	}
	return r.after(isSet, o.Value, o.Revision)
}

var model = porcupine.Model{
	// Each key is a register of its own, and a history is linearizable if and only if that of each key is.
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(operation).Key
			keys[key] = append(keys[key], o)
		}
		parts := [][]porcupine.Operation{}
		for _, part := range keys {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() interface{} { return register{} },
	Step: func(state, input, _ interface{}) (bool, interface{}) {
		return step(state.(register), input.(operation))
	},
	Equal: func(a, b interface{}) bool { return a.(register) == b.(register) },
}

func read(path string) ([]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	history := []porcupine.Operation{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(history)+1, err)
		}
		end := int64(math.MaxInt64)
		if o.Return != nil {
			end = *o.Return
		}
		history = append(history, porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: end})
	}
	return history, lines.Err()
}

// For one history. Those of the tests take less than a second.
const timeout = 2 * time.Minute

func main() {
	status := 0
	for _, path := range os.Args[1:] {
		history, err := read(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		begin := time.Now()
		result := porcupine.CheckOperationsTimeout(model, history, timeout)
		fmt.Printf("%s: %d operations, %s after %d ms\n", path, len(history), result, time.Since(begin).Milliseconds())
		if result != porcupine.Ok {
			status = 1
		}
	}
	os.Exit(status)
}
