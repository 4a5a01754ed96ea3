package main

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Keys of an object's state, as the real provider writes them.
const (
	inputsKey            = "__inputs"
	initialAPIVersionKey = "__initialApiVersion"
	fieldManagerKey      = "__fieldManager"
)

var marshalOptions = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true}

func unmarshal(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, marshalOptions)
}

func marshal(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, marshalOptions)
}

// plain strips secrets and leaves unknown values as resource.Computed.
// Property names cannot hold dashes, so the SDKs spell the OpenAPI extensions
// of a custom resource definition x_kubernetes_….
func plain(m resource.PropertyMap) map[string]any {
	return m.MapRepl(dashed, stripSecret)
}

// known is plain with unknown values as nil, for what has to become JSON.
func known(m resource.PropertyMap) map[string]any {
	return m.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsComputed() {
			return nil, true
		}
		if v.IsSecret() {
			wrapped := known(resource.PropertyMap{"v": v.SecretValue().Element})
			return wrapped["v"], true
		}
		return nil, false
	})
}

func stripSecret(v resource.PropertyValue) (any, bool) {
	if v.IsSecret() {
		return v.SecretValue().Element.MapRepl(dashed, stripSecret), true
	}
	return nil, false
}

func dashed(key string) (string, bool) {
	if strings.HasPrefix(key, "x_kubernetes_") {
		return strings.ReplaceAll(key, "_", "-"), true
	}
	return "", false
}

func underscored(key string) (resource.PropertyKey, bool) {
	if strings.HasPrefix(key, "x-kubernetes-") {
		return resource.PropertyKey(strings.ReplaceAll(key, "-", "_")), true
	}
	return "", false
}

func toObject(m resource.PropertyMap) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: plain(m)}
}

func fromObject(obj *unstructured.Unstructured) resource.PropertyMap {
	return resource.NewPropertyMapFromMapRepl(obj.Object, underscored, nil)
}

// checkpoint is an object's state: what the API server reported, and beside it
// the inputs that asked for it.
func checkpoint(
	inputs, live *unstructured.Unstructured, from resource.PropertyMap, apiVersion, manager string,
) resource.PropertyMap {
	state, in := fromObject(live), fromObject(inputs)
	keepSecrets(state, from)
	keepSecrets(in, from)
	state[inputsKey] = resource.NewObjectProperty(in)
	state[initialAPIVersionKey] = resource.NewStringProperty(apiVersion)
	state[fieldManagerKey] = resource.NewStringProperty(manager)
	return state
}

// fromCheckpoint splits a state into inputs and live object.
func fromCheckpoint(state resource.PropertyMap) (inputs, live *unstructured.Unstructured) {
	m := plain(state)
	in, _ := m[inputsKey].(map[string]any)
	if in == nil {
		in = map[string]any{}
	}
	delete(m, inputsKey)
	return &unstructured.Unstructured{Object: in}, &unstructured.Unstructured{Object: m}
}

func stringOf(m resource.PropertyMap, key resource.PropertyKey) string {
	if v := m[key]; v.IsString() {
		return v.StringValue()
	}
	return ""
}

// keepSecrets marks as secret in outs what is secret in ins, object by object:
// one secret inside a Deployment must not hide the whole of it. A list with a
// secret is secret as a whole, since its order may change. The data of a core
// Secret is always secret.
func keepSecrets(outs, ins resource.PropertyMap) {
	if stringOf(outs, "kind") == "Secret" {
		for _, key := range []resource.PropertyKey{"data", "stringData"} {
			if v, ok := outs[key]; ok {
				outs[key] = resource.MakeSecret(v)
			}
		}
		return
	}
	for key, in := range ins {
		out, ok := outs[key]
		switch {
		case !ok || out.IsSecret():
		case out.IsObject() && in.IsObject():
			keepSecrets(out.ObjectValue(), in.ObjectValue())
		case in.ContainsSecrets():
			outs[key] = resource.MakeSecret(out)
		}
	}
}

// keepUnknowns marks as unknown in outs what is unknown in ins.
func keepUnknowns(outs, ins resource.PropertyMap) {
	for key, in := range ins {
		if out, ok := outs[key]; ok {
			outs[key] = keepUnknown(out, in)
		}
	}
}

func keepUnknown(out, in resource.PropertyValue) resource.PropertyValue {
	switch {
	case in.IsSecret():
		return keepUnknown(out, in.SecretValue().Element)
	case in.IsComputed():
		return unknown
	case in.IsObject() && out.IsObject():
		keepUnknowns(out.ObjectValue(), in.ObjectValue())
	case in.IsArray() && out.IsArray():
		outs := out.ArrayValue()
		for i, v := range in.ArrayValue() {
			if i < len(outs) {
				outs[i] = keepUnknown(outs[i], v)
			}
		}
	}
	return out
}

var unknown = resource.MakeComputed(resource.NewStringProperty(""))

// hasUnknown tells whether a plain value holds something not known yet.
func hasUnknown(v any) bool {
	switch v := v.(type) {
	case resource.Computed:
		return true
	case map[string]any:
		for _, e := range v {
			if hasUnknown(e) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if hasUnknown(e) {
				return true
			}
		}
	}
	return false
}
