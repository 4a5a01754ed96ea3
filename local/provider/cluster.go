package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/validation"
)

// cluster is the one connection that all resources share. Nothing is opened
// before an operation needs it: a preview without changes asks the API server
// nothing at all.
type cluster struct {
	config clusterConfig

	once    sync.Once
	err     error // why the cluster is unreachable
	rest    *rest.Config
	objects dynamic.Interface
	core    *kubernetes.Clientset
	disco   discovery.CachedDiscoveryInterface
	mapper  *retryingMapper

	mu           sync.Mutex
	capabilities *chartutil.Capabilities
	factories    map[string]*helmFactory // by namespace
}

// clusterConfig says where the cluster is.
type clusterConfig struct {
	kubeconfig string // path or contents; empty for the client's own rules
	overrides  clientcmd.ConfigOverrides
	qps        float32
	burst      int
	timeout    time.Duration
}

// loader finds the configuration as every Kubernetes client does: the given
// kubeconfig, else $KUBECONFIG, ~/.kube/config or the pod's service account.
// A namespace stands in for the one of the kubeconfig.
func (c clusterConfig) loader(namespace string) (clientcmd.ClientConfig, error) {
	overrides := c.overrides
	if namespace != "" {
		overrides.Context.Namespace = namespace
	}
	if c.kubeconfig == "" {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.DefaultClientConfig = &clientcmd.DefaultClientConfig
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &overrides), nil
	}
	config, err := parseKubeconfig(c.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to parse kubeconfig data in `kubernetes:config:kubeconfig`: %w", err)
	}
	return clientcmd.NewDefaultClientConfig(*config, &overrides), nil
}

// namespace is where objects go that name none.
func (c clusterConfig) namespace() string {
	if loader, err := c.loader(""); err == nil {
		if namespace, _, err := loader.Namespace(); err == nil {
			return namespace
		}
	}
	return c.overrides.Context.Namespace
}

func parseKubeconfig(pathOrContents string) (*clientcmdapi.Config, error) {
	path := pathOrContents
	if path == "~" || strings.HasPrefix(path, "~/") {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, path[1:])
		}
	}
	if contents, err := os.ReadFile(path); err == nil {
		return clientcmd.Load(contents)
	} else if !strings.ContainsAny(pathOrContents, "\n{:") {
		return nil, err // a path, and no file there
	}
	return clientcmd.Load([]byte(pathOrContents))
}

// connect opens the clients and makes sure that somebody answers. The first
// caller does the work; its result holds for the life of the process.
func (c *cluster) connect() error {
	c.once.Do(func() {
		if c.err = c.open(); c.err != nil {
			c.err = fmt.Errorf("configured Kubernetes cluster is unreachable: %w", c.err)
		}
	})
	return c.err
}

func (c *cluster) open() error {
	loader, err := c.config.loader("")
	if err != nil {
		return err
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return fmt.Errorf("unable to load Kubernetes client configuration from kubeconfig file: %w", err)
	}
	config.QPS, config.Burst, config.Timeout = c.config.qps, c.config.burst, c.config.timeout
	config.UserAgent = "pulumi-kubernetes/" + version + " (offline)"
	config.WarningHandler = rest.NoWarnings{}
	c.rest = config

	if c.objects, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	if c.core, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	c.disco = memory.NewMemCacheClient(c.core.Discovery())
	c.mapper = &retryingMapper{restmapper.NewDeferredDiscoveryRESTMapper(c.disco), c.forget}
	if _, err := c.disco.ServerVersion(); err != nil {
		return fmt.Errorf("unable to load schema information from the API server: %w", err)
	}
	return nil
}

// retryingMapper looks once more at the API server before it calls a kind
// unknown: a custom resource definition may have arrived in the meantime, from
// a release or from outside of Pulumi.
type retryingMapper struct {
	*restmapper.DeferredDiscoveryRESTMapper
	forget func() // drops what else was learnt of the cluster's kinds
}

func (m *retryingMapper) Reset() {
	m.forget()
	m.DeferredDiscoveryRESTMapper.Reset()
}

func (m *retryingMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mapping, err := m.DeferredDiscoveryRESTMapper.RESTMapping(kind, versions...)
	if err != nil {
		m.Reset()
		mapping, err = m.DeferredDiscoveryRESTMapper.RESTMapping(kind, versions...)
	}
	return mapping, err
}

// client returns the API client for an object's kind and namespace.
func (c *cluster) client(obj *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := obj.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	resource := c.objects.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return resource, nil
	}
	return resource.Namespace(orDefault(obj.GetNamespace())), nil
}

// serves tells whether the cluster is there and knows the object's kind.
func (c *cluster) serves(obj *unstructured.Unstructured) bool {
	if c.connect() != nil {
		return false
	}
	_, err := c.client(obj)
	return err == nil
}

// namespaced tells a kind's scope, without asking for what every cluster has.
// A custom resource without a definition counts as namespaced until the
// definition is there.
func (c *cluster) namespaced(gvk schema.GroupVersionKind) bool {
	if scheme.Scheme.Recognizes(gvk) || gvk.Kind == "CustomResourceDefinition" {
		return !clusterScoped[gvk.Kind]
	}
	if c.connect() != nil {
		return true
	}
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	return err != nil || mapping.Scope.Name() == meta.RESTScopeNameNamespace
}

var clusterScoped = map[string]bool{
	"APIService": true, "CertificateSigningRequest": true, "ClusterRole": true, "ClusterRoleBinding": true,
	"CSIDriver": true, "CSINode": true, "CustomResourceDefinition": true, "FlowSchema": true, "IngressClass": true,
	"MutatingWebhookConfiguration": true, "Namespace": true, "Node": true, "PersistentVolume": true,
	"PriorityClass": true, "PriorityLevelConfiguration": true, "RuntimeClass": true, "StorageClass": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true,
	"ValidatingWebhookConfiguration": true, "VolumeAttachment": true,
}

func orDefault(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}

// factory returns Helm's way to the cluster for one namespace, shared by the
// releases in it.
func (c *cluster) factory(namespace string) *helmFactory {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.factories == nil {
		c.factories = map[string]*helmFactory{}
	}
	if c.factories[namespace] == nil {
		c.factories[namespace] = &helmFactory{
			Factory: cmdutil.NewFactory(&clientGetter{cluster: c, namespace: namespace}),
		}
	}
	return c.factories[namespace]
}

// helmFactory makes a schema validator once. Helm asks for one at each step,
// and each would parse the OpenAPI document of RayCluster anew.
type helmFactory struct {
	cmdutil.Factory
	validators onceEach[string, validation.Schema]
}

func (f *helmFactory) Validator(directive string) (validation.Schema, error) {
	return f.validators.get(directive, func() (validation.Schema, error) { return f.Factory.Validator(directive) })
}

// forget drops what depends on the kinds the cluster serves.
func (c *cluster) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.factories, c.capabilities = nil, nil
}

// helmCapabilities tells charts what the cluster offers, from one look at it.
func (c *cluster) helmCapabilities() (*chartutil.Capabilities, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.capabilities != nil {
		return c.capabilities.Copy(), nil
	}
	v, err := c.disco.ServerVersion()
	if err != nil {
		return nil, err
	}
	apis, err := action.GetVersionSet(c.disco)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, err
	}
	c.capabilities = &chartutil.Capabilities{
		APIVersions: apis,
		KubeVersion: chartutil.KubeVersion{Version: v.GitVersion, Major: v.Major, Minor: v.Minor},
		HelmVersion: chartutil.DefaultCapabilities.HelmVersion,
	}
	return c.capabilities.Copy(), nil
}

// clientGetter is the cluster as kubectl's and Helm's libraries expect it.
type clientGetter struct {
	cluster   *cluster
	namespace string
}

func (g *clientGetter) ToRESTConfig() (*rest.Config, error) {
	return rest.CopyConfig(g.cluster.rest), nil
}

func (g *clientGetter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.cluster.disco, nil
}

func (g *clientGetter) ToRESTMapper() (meta.RESTMapper, error) {
	return g.cluster.mapper, nil
}

func (g *clientGetter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	loader, err := g.cluster.config.loader(g.namespace)
	if err != nil { // cannot happen: open has parsed it already
		return clientcmd.NewDefaultClientConfig(clientcmdapi.Config{}, &clientcmd.ConfigOverrides{})
	}
	return loader
}

// cancelled is what a wait returns when the engine asked to stop.
func cancelled(ctx context.Context, name string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("Resource operation was cancelled for %q", name)
	}
	return nil
}
