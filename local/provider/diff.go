package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// differ finds what a change of inputs means for a live object. It compares
// the new inputs with the live state, not with the old inputs, so that drift
// found by a refresh is repaired; fields only the cluster sets are no change.
type differ struct {
	forceNew []string // fields that cannot change in place, such as ".metadata.name"
	changes  map[string]*pulumirpc.PropertyDiff
}

// diff returns the changes by property path. Fields of oldIn that newIn no
// longer has are deleted.
func diff(live, oldIn, newIn map[string]any, forceNew []string) map[string]*pulumirpc.PropertyDiff {
	d := &differ{forceNew: forceNew, changes: map[string]*pulumirpc.PropertyDiff{}}
	d.maps(nil, live, oldIn, newIn)
	return d.changes
}

func (d *differ) maps(path []any, live, oldIn, newIn map[string]any) {
	for key, want := range newIn {
		if want == nil {
			continue
		}
		have, ok := live[key]
		d.value(extend(path, key), have, ok, oldIn[key], want)
	}
	for key, old := range oldIn {
		if old != nil && newIn[key] == nil {
			d.add(extend(path, key), pulumirpc.PropertyDiff_DELETE, nil)
		}
	}
}

func (d *differ) value(path []any, have any, exists bool, oldIn, want any) {
	if !exists {
		d.add(path, pulumirpc.PropertyDiff_ADD, want)
		return
	}
	switch want := want.(type) {
	case map[string]any:
		if have, ok := have.(map[string]any); ok {
			old, _ := oldIn.(map[string]any)
			d.maps(path, have, old, want)
			return
		}
	case []any:
		if have, ok := have.([]any); ok {
			old, _ := oldIn.([]any)
			d.lists(path, have, old, want)
			return
		}
	default:
		if equal(have, want) {
			return
		}
	}
	d.add(path, pulumirpc.PropertyDiff_UPDATE, want)
}

func (d *differ) lists(path []any, have, oldIn, want []any) {
	for i, w := range want {
		var h, old any
		if i < len(have) {
			h = have[i]
		}
		if i < len(oldIn) {
			old = oldIn[i]
		}
		d.value(extend(path, i), h, i < len(have), old, w)
	}
	for i := len(want); i < len(have); i++ {
		d.add(extend(path, i), pulumirpc.PropertyDiff_DELETE, nil)
	}
}

func (d *differ) add(path []any, kind pulumirpc.PropertyDiff_Kind, value any) {
	if slices.ContainsFunc(d.forceNew, func(f string) bool { return touches(f, path, value) }) {
		switch kind {
		case pulumirpc.PropertyDiff_ADD:
			kind = pulumirpc.PropertyDiff_ADD_REPLACE
		case pulumirpc.PropertyDiff_UPDATE:
			kind = pulumirpc.PropertyDiff_UPDATE_REPLACE
		case pulumirpc.PropertyDiff_DELETE:
			kind = pulumirpc.PropertyDiff_DELETE_REPLACE
		}
	}
	// A deletion exists in the inputs only: the live state keeps its value.
	d.changes[pathString(path)] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: value == nil}
}

// replaces lists the changes that force a replacement. Losing all of metadata
// does too: the name is in it.
func replaces(changes map[string]*pulumirpc.PropertyDiff) []string {
	var paths []string
	for path, change := range changes {
		switch change.Kind {
		case pulumirpc.PropertyDiff_ADD_REPLACE, pulumirpc.PropertyDiff_UPDATE_REPLACE,
			pulumirpc.PropertyDiff_DELETE_REPLACE:
			paths = append(paths, path)
		case pulumirpc.PropertyDiff_DELETE:
			if path == "metadata" {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return paths
}

// ignore drops the changes below the given property paths (ignoreChanges).
func ignore(changes map[string]*pulumirpc.PropertyDiff, paths []string) error {
	for _, p := range paths {
		ignored, err := resource.ParsePropertyPath(p)
		if err != nil {
			return fmt.Errorf("failed to parse ignore path: %w", err)
		}
		for changed := range changes {
			path, err := resource.ParsePropertyPath(changed)
			if err != nil {
				return fmt.Errorf("failed to parse diff path: %w", err)
			}
			if ignored.Contains(path) {
				delete(changes, changed)
			}
		}
	}
	return nil
}

// touches tells whether a change at path, to value, changes the field: path is
// at or below the field, or above it with value holding the field.
func touches(field string, path []any, value any) bool {
	tokens := strings.Split(strings.TrimPrefix(field, "."), ".")
	for _, element := range path {
		name, ok := element.(string)
		if !ok {
			continue // an index: the field is the whole list
		}
		if len(tokens) == 0 {
			return true
		}
		if name != tokens[0] {
			return false
		}
		tokens = tokens[1:]
	}
	for _, token := range tokens {
		m, _ := value.(map[string]any)
		if value = m[token]; value == nil {
			return false
		}
	}
	return true
}

// extend never shares the array behind path, unlike append.
func extend(path []any, element any) []any {
	return append(slices.Clip(path), element)
}

func pathString(path []any) string {
	var b strings.Builder
	for _, element := range path {
		switch element := element.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", element)
		case string:
			switch {
			case strings.ContainsAny(element, `."[]`):
				fmt.Fprintf(&b, `["%s"]`, strings.ReplaceAll(element, `"`, `\"`))
			case b.Len() > 0:
				b.WriteString("." + element)
			default:
				b.WriteString(element)
			}
		}
	}
	return b.String()
}

// equal compares scalars; the state has float64 where the API server has int64.
func equal(a, b any) bool {
	x, ok := number(a)
	y, alsoOK := number(b)
	if ok && alsoOK {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// prune cuts a live object down to the fields the inputs have.
func prune(live, inputs map[string]any) map[string]any {
	if live == nil || inputs == nil {
		return nil
	}
	pruned := map[string]any{}
	for key, value := range live {
		if input, ok := inputs[key]; ok {
			pruned[key] = pruneValue(value, input)
		}
	}
	return pruned
}

func pruneValue(live, input any) any {
	switch live := live.(type) {
	case map[string]any:
		if input, ok := input.(map[string]any); ok {
			return prune(live, input)
		}
	case []any:
		if input, ok := input.([]any); ok {
			pruned := make([]any, 0, len(input))
			for i := range min(len(live), len(input)) {
				pruned = append(pruned, pruneValue(live[i], input[i]))
			}
			return pruned
		}
	}
	return live
}
