package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const releaseType = "kubernetes:helm.sh/v3:Release"

// provider answers the engine. What it leaves out is Unimplemented.
type provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	ctx    context.Context // ends when the engine cancels
	cancel context.CancelFunc

	engine   engine
	cluster  *cluster
	charts   *charts
	settings settings
}

// settings is the provider's configuration, apart from where the cluster is.
type settings struct {
	namespace         string
	helmDriver        string
	patchForce        bool
	upsert            bool
	mutableConfigMaps bool
	mutableSecrets    bool
	deleteUnreachable bool
}

func newProvider() *provider {
	ctx, cancel := context.WithCancel(context.Background())
	return &provider{ctx: ctx, cancel: cancel, cluster: &cluster{}, charts: newCharts("")}
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

func (p *provider) Attach(_ context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, p.engine.connect(req.GetAddress())
}

func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	p.cancel()
	return &emptypb.Empty{}, nil
}

func (p *provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

// DiffConfig replaces the provider, and with it all of its resources, when the
// configuration points to another cluster. A cluster has no identity of its
// own: the kubeconfig's active entry has to do, unless a clusterIdentifier is
// given.
func (p *provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	changed := olds.Diff(news)
	if changed == nil {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	resp := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME}
	for _, key := range changed.ChangedKeys() {
		resp.Diffs = append(resp.Diffs, string(key))
	}

	const identifier = "clusterIdentifier"
	switch {
	case changed.Updated(identifier):
		resp.Replaces = []string{identifier}
	case news.HasValue(identifier) && changed.Same(identifier):
	default:
		before, ok := activeCluster(olds)
		after, alsoOK := activeCluster(news)
		moved := ok && alsoOK && !reflect.DeepEqual(before, after)
		for _, key := range []resource.PropertyKey{"kubeconfig", "context", "cluster"} {
			if news[key].ContainsUnknowns() || moved && slices.Contains(resp.Diffs, string(key)) {
				resp.Replaces = append(resp.Replaces, string(key))
			}
		}
	}
	return resp, nil
}

// activeCluster finds the entry of a provider's kubeconfig that it talks to.
func activeCluster(config resource.PropertyMap) (*clientcmdapi.Cluster, bool) {
	text := func(key string) string {
		s, _ := known(config)[key].(string)
		return s
	}
	kubeconfig, err := parseKubeconfig(text("kubeconfig"))
	if err != nil {
		return nil, false
	}
	active := kubeconfig.Contexts[cmp.Or(text("context"), kubeconfig.CurrentContext)]
	if active == nil {
		return nil, false
	}
	entry := kubeconfig.Clusters[cmp.Or(text("cluster"), active.Cluster)]
	if entry == nil {
		return nil, false
	}
	entry = entry.DeepCopy()
	entry.LocationOfOrigin = ""
	return entry, true
}

// Configure only reads the configuration; the cluster is asked when the first
// operation needs it, so that a preview works without one.
func (p *provider) Configure(
	_ context.Context, req *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	vars := req.GetVariables()
	option := func(name, env string) string {
		if v, ok := vars["kubernetes:config:"+name]; ok && v != "" {
			return v
		}
		return os.Getenv(env)
	}
	enabled := func(name, env string) bool { return option(name, env) == "true" }

	if option("enableServerSideApply", "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY") == "false" {
		return nil, errors.New("the offline provider works by server-side apply only: unset enableServerSideApply")
	}
	if option("renderYamlToDirectory", "") != "" {
		return nil, errors.New("the offline provider renders no YAML: unset renderYamlToDirectory")
	}

	helm, err := objectOption(option("helmReleaseSettings", ""))
	if err != nil {
		return nil, fmt.Errorf("failed to unmarshal helmReleaseSettings option: %w", err)
	}
	client, err := objectOption(option("kubeClientSettings", ""))
	if err != nil {
		return nil, fmt.Errorf("failed to unmarshal kubeClientSettings option: %w", err)
	}
	// Higher than the real provider's 50 and 120: a local API server has no
	// other clients to share with.
	limits := map[string]float64{"qps": 300, "burst": 600, "timeout": 0}
	for name := range limits {
		text := cmp.Or(client[name], os.Getenv("PULUMI_K8S_CLIENT_"+strings.ToUpper(name)))
		if text == "" {
			continue
		}
		if limits[name], err = strconv.ParseFloat(text, 64); err != nil {
			return nil, fmt.Errorf("invalid value specified for kubeClientSettings %s: %w", name, err)
		}
	}

	config := clusterConfig{
		kubeconfig: vars["kubernetes:config:kubeconfig"],
		overrides: clientcmd.ConfigOverrides{
			CurrentContext: vars["kubernetes:config:context"],
			Context: clientcmdapi.Context{
				Cluster:   vars["kubernetes:config:cluster"],
				Namespace: vars["kubernetes:config:namespace"],
			},
		},
		qps:     float32(limits["qps"]),
		burst:   int(limits["burst"]),
		timeout: time.Duration(limits["timeout"]) * time.Second,
	}
	p.cluster = &cluster{config: config}
	p.settings = settings{
		namespace:         config.namespace(),
		helmDriver:        cmp.Or(helm["driver"], os.Getenv("PULUMI_K8S_HELM_DRIVER"), "secret"),
		patchForce:        enabled("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
		upsert:            enabled("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
		mutableConfigMaps: enabled("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
		mutableSecrets:    enabled("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
		deleteUnreachable: enabled("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
	}
	p.charts = newCharts(cmp.Or(helm["registryConfigPath"], os.Getenv("PULUMI_K8S_HELM_REGISTRY_CONFIG_PATH")))

	return &pulumirpc.ConfigureResponse{
		AcceptSecrets: true, SupportsPreview: true, SupportsAutonamingConfiguration: true,
	}, nil
}

// objectOption reads an option that is a JSON object; the engine may have made
// strings of its numbers.
func objectOption(text string) (map[string]string, error) {
	var raw map[string]any
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for key, value := range raw {
		if value != nil {
			values[key] = fmt.Sprint(value)
		}
	}
	return values, nil
}

func (p *provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	olds, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	urn := resource.URN(req.GetUrn())
	var inputs resource.PropertyMap
	var failures []*pulumirpc.CheckFailure
	if urn.Type() == releaseType {
		inputs, failures, err = p.checkRelease(urn, olds, news)
	} else {
		inputs, err = p.checkObject(urn, olds, news, req)
	}
	if err != nil {
		return nil, err
	}
	checked, err := marshal(inputs)
	return &pulumirpc.CheckResponse{Inputs: checked, Failures: failures}, err
}

func (p *provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	urn := resource.URN(req.GetUrn())
	var changes map[string]*pulumirpc.PropertyDiff
	keepsName := false
	if urn.Type() == releaseType {
		changes = diffRelease(olds, news, req.GetIgnoreChanges())
	} else {
		changes, keepsName = p.diffObject(urn, olds, news)
		if err := ignore(changes, req.GetIgnoreChanges()); err != nil {
			return nil, err
		}
	}

	resp := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, Replaces: replaces(changes),
		DetailedDiff: changes, HasDetailedDiff: true,
	}
	if len(changes) > 0 {
		resp.Changes = pulumirpc.DiffResponse_DIFF_SOME
		top := map[string]bool{}
		for path := range changes {
			key, _, _ := strings.Cut(path, ".")
			key, _, _ = strings.Cut(key, "[")
			top[key] = true
		}
		resp.Diffs = slices.Sorted(maps.Keys(top))
	}
	resp.DeleteBeforeReplace = len(resp.Replaces) > 0 && keepsName
	return resp, nil
}

func (p *provider) Create(_ context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	news, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	op := operation{urn: resource.URN(req.GetUrn()), preview: req.GetPreview(), timeout: seconds(req.GetTimeout())}
	if !op.preview {
		if err := p.cluster.connect(); err != nil {
			return nil, err
		}
	}
	create := p.createObject
	if op.urn.Type() == releaseType {
		create = p.createRelease
	}
	id, state, err := create(op, news)
	if state == nil {
		return nil, err
	}
	properties, marshalErr := marshal(state)
	if marshalErr != nil {
		return nil, marshalErr
	}
	if err != nil {
		return nil, initFailed(id, err, &pulumirpc.ErrorResourceInitFailed{Properties: properties})
	}
	if op.preview {
		id = ""
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, nil
}

func (p *provider) Update(_ context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	olds, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	op := operation{urn: resource.URN(req.GetUrn()), preview: req.GetPreview(), timeout: seconds(req.GetTimeout())}
	if !op.preview {
		if err := p.cluster.connect(); err != nil {
			return nil, err
		}
	}
	update := p.updateObject
	if op.urn.Type() == releaseType {
		update = p.updateRelease
	}
	state, err := update(op, olds, news)
	if state == nil {
		return nil, err
	}
	properties, marshalErr := marshal(state)
	if marshalErr != nil {
		return nil, marshalErr
	}
	if err != nil {
		return nil, initFailed(req.GetId(), err, &pulumirpc.ErrorResourceInitFailed{Properties: properties})
	}
	return &pulumirpc.UpdateResponse{Properties: properties}, nil
}

func (p *provider) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	urn := resource.URN(req.GetUrn())
	state, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	inputs, err := unmarshal(req.GetInputs())
	if err != nil {
		return nil, err
	}
	if err := p.cluster.connect(); err != nil {
		p.engine.warn(urn, err.Error())
		if p.settings.deleteUnreachable {
			return &pulumirpc.ReadResponse{}, nil
		}
		return nil, errors.New("failed to read resource state due to unreachable cluster. " + unreachableHint)
	}
	read := p.readObject
	if urn.Type() == releaseType {
		read = p.readRelease
	}
	newState, newInputs, err := read(urn, req.GetId(), state, inputs)
	if newState == nil { // gone, or an error
		return &pulumirpc.ReadResponse{}, err
	}
	properties, marshalErr := marshal(newState)
	if marshalErr != nil {
		return nil, marshalErr
	}
	checked, marshalErr := marshal(newInputs)
	if marshalErr != nil {
		return nil, marshalErr
	}
	if err != nil {
		return nil, initFailed(req.GetId(), err,
			&pulumirpc.ErrorResourceInitFailed{Properties: properties, Inputs: checked})
	}
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: properties, Inputs: checked}, nil
}

func (p *provider) Delete(_ context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	op := operation{urn: resource.URN(req.GetUrn()), timeout: seconds(req.GetTimeout())}
	state, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if err := p.cluster.connect(); err != nil {
		p.engine.warn(op.urn, err.Error())
		if p.settings.deleteUnreachable {
			return &emptypb.Empty{}, nil
		}
		return nil, fmt.Errorf("%w. %s", err, unreachableHint)
	}
	if op.urn.Type() == releaseType {
		return &emptypb.Empty{}, p.deleteRelease(op, state)
	}
	remains, err := p.deleteObject(op, req.GetId(), state)
	if err != nil && remains != nil {
		properties, marshalErr := marshal(remains)
		if marshalErr != nil {
			return nil, marshalErr
		}
		err = initFailed(req.GetId(), err, &pulumirpc.ErrorResourceInitFailed{Properties: properties})
	}
	return &emptypb.Empty{}, err
}

const unreachableHint = "If the cluster was deleted, you can remove this resource from Pulumi state by rerunning " +
	"the operation with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to \"true\""

// operation is one change the engine asked for.
type operation struct {
	urn     resource.URN
	preview bool
	timeout time.Duration // customTimeouts; zero if none is given
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// initFailed tells the engine that the resource exists and has a state, yet is
// not ready: the next update starts from there.
func initFailed(id string, err error, detail *pulumirpc.ErrorResourceInitFailed) error {
	detail.Id = id
	detail.Reasons = []string{err.Error()}
	var unready *unreadyError
	if errors.As(err, &unready) {
		detail.Reasons = append(detail.Reasons, unready.details...)
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, err.Error()), detail)
}

// isPatch tells patches from objects: "kubernetes:apps/v1:DeploymentPatch" is a
// patch if the object's kind is Deployment, and a custom resource whose name
// happens to end that way if it is DeploymentPatch.
func isPatch(urn resource.URN, kind string) bool {
	return string(urn.Type().Name()) == kind+"Patch"
}

// typeGVK reads group, version and kind from a resource type. The core group
// is spelt "core"; custom resources of it do not exist.
func typeGVK(token string) (schema.GroupVersionKind, error) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 || parts[0] != "kubernetes" || parts[2] == "" {
		return schema.GroupVersionKind{}, fmt.Errorf("unrecognized resource type: %q for this provider", token)
	}
	group, v, ok := strings.Cut(parts[1], "/")
	if !ok {
		return schema.GroupVersionKind{}, fmt.Errorf("apiVersion does not have both a group and a version: %q", parts[1])
	}
	if group == "core" {
		group = ""
	}
	if v == "" {
		return schema.GroupVersionKind{}, fmt.Errorf("resource type %q has no version", token)
	}
	return schema.GroupVersionKind{Group: group, Version: v, Kind: parts[2]}, nil
}
