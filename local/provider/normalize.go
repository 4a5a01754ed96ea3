package main

import (
	"encoding/base64"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// normalize brings inputs into the form the API server returns them in, so
// that another spelling of the same is no change: "1000m" CPUs are "1", and a
// Secret's stringData is data. Kinds without a Go type, and inputs with unknown
// values, stay as they are.
func normalize(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if !hasUnknown(obj.Object) {
		if obj.GroupVersionKind() == secretKind {
			normalizeSecret(obj)
		} else if typed, err := scheme.Scheme.New(obj.GroupVersionKind()); err == nil {
			converter := runtime.DefaultUnstructuredConverter
			if converter.FromUnstructured(obj.Object, typed) == nil {
				if full, err := converter.ToUnstructured(typed); err == nil {
					obj = &unstructured.Unstructured{Object: prune(full, obj.Object)}
				}
			}
		}
	}
	if metadata, ok := obj.Object["metadata"].(map[string]any); ok {
		for _, field := range readOnly {
			delete(metadata, field)
		}
	}
	if isDefinition(obj) {
		delete(obj.Object, "status")
	}
	return obj
}

var secretKind = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}

var readOnly = []string{
	"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
	"generation", "managedFields", "resourceVersion", "uid",
}

func normalizeSecret(obj *unstructured.Unstructured) {
	texts, _ := obj.Object["stringData"].(map[string]any)
	if len(texts) == 0 {
		return
	}
	data, _ := obj.Object["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
		obj.Object["data"] = data
	}
	for key, text := range texts {
		if text, ok := text.(string); ok {
			data[key] = base64.StdEncoding.EncodeToString([]byte(text))
		}
	}
	delete(obj.Object, "stringData")
}
