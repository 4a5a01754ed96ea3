package main

import (
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type m = map[string]any

func TestTypeGVK(t *testing.T) {
	for token, want := range map[string]string{
		"kubernetes:core/v1:Namespace":    "/v1, Kind=Namespace",
		"kubernetes:ray.io/v1:RayCluster": "ray.io/v1, Kind=RayCluster",
	} {
		if gvk, err := typeGVK(token); err != nil || gvk.String() != want {
			t.Errorf("%s: %v, %v", token, gvk, err)
		}
	}
	for _, token := range []string{"aws:s3:Bucket", "kubernetes:core/v1", "kubernetes:v1:Namespace", "kubernetes:apps/:Deployment"} {
		if gvk, err := typeGVK(token); err == nil {
			t.Errorf("%s: accepted as %v", token, gvk)
		}
	}
}

// A custom resource may be called SomethingPatch and be no patch.
func TestIsPatch(t *testing.T) {
	urn := resource.URN("urn:pulumi:s::p::kubernetes:ray.io/v1:RayClusterPatch::r")
	if !isPatch(urn, "RayCluster") || isPatch(urn, "RayClusterPatch") {
		t.Error("told by the type alone")
	}
}

func TestDiff(t *testing.T) {
	force := []string{".metadata.name", ".spec.selector"}
	for name, test := range map[string]struct {
		live, oldIn, newIn m
		want               map[string]string
	}{
		"numbers of state and API server": {
			live: m{"a": int64(2)}, oldIn: m{"a": 2.0}, newIn: m{"a": 2.0},
		},
		"fields only the cluster sets": {
			live: m{"a": "1", "status": m{"x": "y"}}, oldIn: m{"a": "1"}, newIn: m{"a": "1"},
		},
		"drift": {
			live: m{"a": "2"}, oldIn: m{"a": "1"}, newIn: m{"a": "1"},
			want: map[string]string{"a": "UPDATE"},
		},
		"a field dropped, another added": {
			live: m{"l": m{"a": "1"}}, oldIn: m{"l": m{"a": "1"}}, newIn: m{"l": m{"b/c.d": "1"}},
			want: map[string]string{"l.a": "DELETE", `l["b/c.d"]`: "ADD"},
		},
		"a list that shrinks": {
			live: m{"l": []any{"a", "b"}}, oldIn: m{"l": []any{"a", "b"}}, newIn: m{"l": []any{"a"}},
			want: map[string]string{"l[1]": "DELETE"},
		},
		"null is as good as missing": {
			live: m{}, oldIn: m{}, newIn: m{"a": nil},
		},
		"unknown until the update": {
			live: m{"a": "1"}, oldIn: m{"a": "1"}, newIn: m{"a": resource.Computed{}},
			want: map[string]string{"a": "UPDATE"},
		},
		"another name": {
			live: m{"metadata": m{"name": "x"}}, oldIn: m{"metadata": m{"name": "x"}}, newIn: m{"metadata": m{"name": "y"}},
			want: map[string]string{"metadata.name": "UPDATE_REPLACE"},
		},
		"below and above an immutable field": {
			live: m{"spec": m{"selector": m{"a": "1"}}}, oldIn: m{}, newIn: m{"spec": m{"selector": m{"a": "2"}}},
			want: map[string]string{"spec.selector.a": "UPDATE_REPLACE"},
		},
		"an immutable field that comes with its parent": {
			live: m{}, oldIn: m{}, newIn: m{"spec": m{"selector": m{"a": "2"}}},
			want: map[string]string{"spec": "ADD_REPLACE"},
		},
		"a parent without the immutable field": {
			live: m{}, oldIn: m{}, newIn: m{"spec": m{"replicas": 1.0}},
			want: map[string]string{"spec": "ADD"},
		},
	} {
		got := map[string]string{}
		for path, change := range diff(test.live, test.oldIn, test.newIn, force) {
			got[path] = pulumirpc.PropertyDiff_Kind(change.Kind).String()
		}
		if !maps.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestAdoptable(t *testing.T) {
	apply, update := metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate
	for _, test := range []struct {
		manager     string
		operation   metav1.ManagedFieldsOperationType
		subresource string
		want        bool
	}{
		{createManager, update, "", true},
		{"kubectl-patch", update, "", true},
		{"kubectl-client-side-apply", update, "", true},
		{"kubectl", apply, "", true},
		{"kubectl-edit", update, "status", false},
		{createManager + "-e9e93d3b", apply, "", false}, // another resource of a stack
		{"helm", update, "", false},
		{"kuberay-operator", update, "", false},
	} {
		entry := metav1.ManagedFieldsEntry{Manager: test.manager, Operation: test.operation, Subresource: test.subresource}
		if adoptable(entry) != test.want {
			t.Errorf("%+v", test)
		}
	}
}

// A refresh prunes the live object: what it returns must equal the inputs when
// nothing drifted, whatever defaults the API server filled in.
func TestNormalizeAndPrune(t *testing.T) {
	object := func(o m) *unstructured.Unstructured { return &unstructured.Unstructured{Object: o} }
	quota := normalize(object(m{"apiVersion": "v1", "kind": "ResourceQuota", "spec": m{"hard": m{"cpu": "1000m"}}}))
	if got, _, _ := unstructured.NestedString(quota.Object, "spec", "hard", "cpu"); got != "1" {
		t.Errorf("quantity: %q", got)
	}
	if _, ok := quota.Object["status"]; ok {
		t.Error("normalize added a field")
	}
	secret := normalize(object(m{"apiVersion": "v1", "kind": "Secret", "stringData": m{"a": "b"}}))
	if got, _, _ := unstructured.NestedString(secret.Object, "data", "a"); got != "Yg==" {
		t.Errorf("secret: %v", secret.Object)
	}
	live := m{"a": m{"b": "1", "default": "x"}, "l": []any{m{"n": "1", "default": "x"}}, "status": "y"}
	pruned := prune(live, m{"a": m{"b": "0"}, "l": []any{m{"n": "0"}}})
	if !equal(pruned, m{"a": m{"b": "1"}, "l": []any{m{"n": "1"}}}) {
		t.Errorf("pruned: %v", pruned)
	}
}

func TestKeepSecrets(t *testing.T) {
	text, secret := resource.NewStringProperty("x"), resource.MakeSecret(resource.NewStringProperty("x"))
	outs := resource.PropertyMap{"o": resource.NewObjectProperty(resource.PropertyMap{"s": text, "t": text})}
	keepSecrets(outs, resource.PropertyMap{"o": resource.NewObjectProperty(resource.PropertyMap{"s": secret, "t": text})})
	if o := outs["o"].ObjectValue(); !o["s"].IsSecret() || o["t"].IsSecret() {
		t.Errorf("nested: %v", outs)
	}
	core := resource.PropertyMap{"kind": resource.NewStringProperty("Secret"), "data": text}
	if keepSecrets(core, nil); !core["data"].IsSecret() {
		t.Error("the data of a Secret is not secret")
	}
}

func TestWaitFor(t *testing.T) {
	obj := &unstructured.Unstructured{Object: m{
		"metadata": m{"generation": int64(2)},
		"status": m{
			"state": "ready", "workers": int64(3), "list": []any{},
			"conditions": []any{
				m{"type": "Up", "status": "True"},
				m{"type": "Old", "status": "True", "observedGeneration": int64(1)},
			},
		},
	}}
	for expr, want := range map[string]bool{
		"condition=Up":       true,
		"condition=up=true":  true,
		"condition=Up=False": false,
		"condition=Old":      false, // speaks of an earlier generation
		"condition=Missing":  false,

		"jsonpath={.status.state}=ready":                             true,
		"jsonpath={.status.state}=failed":                            false,
		"jsonpath={.status.workers}=3":                               true,
		"jsonpath={.status.list}":                                    true,
		"jsonpath={.status.missing}":                                 false,
		`jsonpath={.status.conditions[?(@.type=="Up")].status}=True`: true,

		`["condition=Up", "jsonpath={.status.state}=ready"]`: true,
		`["condition=Up", "condition=Missing"]`:              false,
	} {
		ready, err := parseWaitFor(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if done, progress, err := ready(obj); done != want || err != nil || !done && progress == "" {
			t.Errorf("%s: got %v (%q, %v), want %v", expr, done, progress, err, want)
		}
	}
	for _, expr := range []string{"Up", "[]", "jsonpath=.status", "jsonpath={.a}=", "jsonpath={.a}=b=c", "jsonpath='{.a}'"} {
		if _, err := parseWaitFor(expr); err == nil {
			t.Errorf("%s: accepted", expr)
		}
	}
}

func TestChartRef(t *testing.T) {
	ref := func(chart, repo string) chartRef {
		return chartRefOf(&release{Chart: chart, Version: " 1.3.0 ", RepositoryOpts: &repositoryOpts{Repo: repo}})
	}
	for _, test := range []struct{ chart, repo, wantChart, wantURL string }{
		{"ray-cluster", "https://example.com/charts", "ray-cluster", "https://example.com/charts"},
		{"oci://example.com/ray-cluster", "https://example.com", "oci://example.com/ray-cluster", ""},
		{"ray-cluster", "kuberay", "kuberay/ray-cluster", ""},
		{"./charts/ray-cluster", "", "./charts/ray-cluster", ""},
	} {
		got := ref(test.chart, test.repo)
		if got.chart != test.wantChart || got.url != test.wantURL || got.version != "1.3.0" {
			t.Errorf("%s in %q: %+v", test.chart, test.repo, got)
		}
	}
	if got := chartRefOf(&release{Chart: "c", Devel: true}); got.version != ">0.0.0-0" {
		t.Errorf("devel: %q", got.version)
	}
}

func TestMergeValues(t *testing.T) {
	base := m{"a": m{"b": 1.0, "c": 1.0}, "l": []any{1.0}}
	got := mergeValues(base, m{"a": m{"b": 2.0, "d": nil}, "l": []any{}})
	if !equal(got, m{"a": m{"b": 2.0, "c": 1.0, "d": nil}, "l": []any{}}) {
		t.Errorf("got %v", got)
	}
	if !equal(base["a"], m{"b": 1.0, "c": 1.0}) {
		t.Error("the base was changed")
	}
}

func TestResourceNames(t *testing.T) {
	names, err := resourceNames("kind: A\napiVersion: x.y/v1\nmetadata: {name: a, namespace: ns}\n---\n# nothing\n---\n" +
		"kind: B\napiVersion: v1\nmetadata: {name: b}\n")
	if err != nil || !slices.Equal(names["A.x.y/x.y/v1"], []string{"ns/a"}) || !slices.Equal(names["B/v1"], []string{"b"}) {
		t.Errorf("%v, %v", names, err)
	}
}

func TestOnceEach(t *testing.T) {
	var cache onceEach[string, int]
	var calls atomic.Int32
	failure := errors.New("no")
	for range 3 {
		if _, err := cache.get("k", func() (int, error) { calls.Add(1); return 0, failure }); err != failure {
			t.Error(err)
		}
	}
	if calls.Load() != 1 {
		t.Errorf("computed %d times", calls.Load())
	}
}
