package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/theory/jsonpath"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// parseWaitFor reads the annotation pulumi.com/waitFor: one expression or a
// JSON list of them, all of which have to hold at once. An expression is
// condition=Type[=Status] or jsonpath={.path}[=value].
func parseWaitFor(annotation string) (condition, error) {
	var exprs []string
	if json.Unmarshal([]byte(annotation), &exprs) != nil {
		exprs = []string{annotation}
	}
	if len(exprs) == 0 {
		return nil, errors.New("at least one condition must be specified")
	}
	var all []condition
	for _, expr := range exprs {
		var one condition
		var err error
		if path, ok := strings.CutPrefix(expr, "jsonpath="); ok {
			one, err = pathCondition(path)
		} else if kind, ok := strings.CutPrefix(expr, "condition="); ok {
			one = statusCondition(kind)
		} else {
			err = fmt.Errorf(`expected a "jsonpath=" or "condition=" prefix, got %q`, expr)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return func(obj *unstructured.Unstructured) (bool, string, error) {
		for _, one := range all {
			if done, progress, err := one(obj); !done || err != nil {
				return false, progress, err
			}
		}
		return true, "", nil
	}, nil
}

func statusCondition(expr string) condition {
	kind, want, ok := strings.Cut(expr, "=")
	if !ok {
		want = "True"
	}
	return func(obj *unstructured.Unstructured) (bool, string, error) {
		conditions, _, err := unstructured.NestedSlice(obj.Object, "status", "conditions")
		if err != nil {
			return false, "", err
		}
		for _, c := range conditions {
			c, _ := c.(map[string]any)
			name, _ := c["type"].(string)
			have, _ := c["status"].(string)
			if !strings.EqualFold(name, kind) {
				continue
			}
			if stale(obj, c) {
				return false, fmt.Sprintf("waiting for condition %s of the new generation", kind), nil
			}
			progress := fmt.Sprintf("Resource has condition %s=%s (want %s)", kind, have, want)
			if message, _ := c["message"].(string); message != "" {
				progress += ": " + message
			}
			return strings.EqualFold(have, want), progress, nil
		}
		return false, fmt.Sprintf("waiting for condition %s=%s", kind, want), nil
	}
}

var braces = regexp.MustCompile(`\{\s*(.*?)\s*\}`)

// pathCondition takes kubectl's strict spelling, with braces and without
// quotes. The path is RFC 9535's, as in the real provider.
func pathCondition(expr string) (condition, error) {
	path, want, hasValue := cutValue(expr)
	_, _, twice := cutValue(want)
	switch {
	case twice:
		return nil, fmt.Errorf("format should be {.path}=value or {.path}, got %q", expr)
	case hasValue && want == "":
		return nil, fmt.Errorf("%s= requires a value", path)
	case strings.HasPrefix(path, "'"):
		return nil, fmt.Errorf("%s should omit shell quotes", path)
	}
	inner := braces.FindStringSubmatch(path)
	if inner == nil {
		return nil, fmt.Errorf("%s should be wrapped in brackets { ... }", path)
	}
	parsed, err := jsonpath.NewParser().Parse("$" + strings.TrimPrefix(inner[1], "$"))
	if err != nil {
		return nil, fmt.Errorf("parsing %q: %w", path, err)
	}

	return func(obj *unstructured.Unstructured) (bool, string, error) {
		if stale(obj, nil) {
			return false, "waiting for the new generation to be observed", nil
		}
		found := slices.Collect(parsed.Select(obj.Object).All())
		if len(found) == 0 {
			return false, "Waiting for " + expr, nil
		}
		switch found[0].(type) {
		case map[string]any, []any:
			if hasValue {
				return false, "", fmt.Errorf("%q has a non-primitive value (%v)", path, found[0])
			}
		}
		have := fmt.Sprint(found[0])
		return !hasValue || have == want, fmt.Sprintf("Waiting for %s (found %q)", expr, have), nil
	}, nil
}

// cutValue splits {path}=value at the "=" that is no part of a "==".
func cutValue(expr string) (path, value string, found bool) {
	for i := 0; i < len(expr); i++ {
		if expr[i] != '=' {
			continue
		}
		if i+1 < len(expr) && expr[i+1] == '=' {
			i++
			continue
		}
		return expr[:i], expr[i+1:], true
	}
	return expr, "", false
}

// stale tells a status that speaks of an earlier generation of the object, if
// it says so at all; the condition's own word goes first.
func stale(obj *unstructured.Unstructured, condition map[string]any) bool {
	observed, ok, _ := unstructured.NestedInt64(condition, "observedGeneration")
	if !ok {
		observed, ok, _ = unstructured.NestedInt64(obj.Object, "status", "observedGeneration")
	}
	return ok && observed < obj.GetGeneration()
}
