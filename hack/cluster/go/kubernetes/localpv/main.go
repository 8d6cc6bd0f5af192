// localpv provisions volumes of a single-node cluster: folders of the node, as PersistentVolumes of type "local". Not
// hostPath, which ignores fsGroup: pods that do not run as root could not write to it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	wantsProvisioner = "volume.kubernetes.io/storage-provisioner"
	selectedNode     = "volume.kubernetes.io/selected-node"
	provisionedBy    = "pv.kubernetes.io/provisioned-by"
	lookAgain        = 15 * time.Second
)

type provisioner struct {
	client           *kubernetes.Clientset
	name, node, root string
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	root := flag.String("root", "", "folder that holds the volumes")
	node := flag.String("node", "", "name of the node that has the folder")
	name := flag.String("provisioner", "", "name in the storage class")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	p := provisioner{client: kubernetes.NewForConfigOrDie(config), name: *name, node: *node, root: *root}
	factory := informers.NewSharedInformerFactory(p.client, lookAgain)
	onEach(factory.Core().V1().PersistentVolumeClaims().Informer(), p.provision)
	onEach(factory.Core().V1().PersistentVolumes().Informer(), p.reclaim)
	factory.Start(context.Background().Done())
	select {}
}

// onEach calls act for every object now, at each change, and every lookAgain, so that an error is only logged.
func onEach[T any](informer cache.SharedIndexInformer, act func(context.Context, T) error) {
	handle := func(object any) {
		if typed, ok := object.(T); ok {
			if err := act(context.Background(), typed); err != nil {
				log.Print(err)
			}
		}
	}
	handlers := cache.ResourceEventHandlerFuncs{AddFunc: handle, UpdateFunc: func(_, now any) { handle(now) }}
	if _, err := informer.AddEventHandler(handlers); err != nil {
		log.Fatal(err)
	}
}

func (p provisioner) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	isOurs := claim.Annotations[wantsProvisioner] == p.name && claim.Spec.StorageClassName != nil
	if !isOurs || claim.Status.Phase != corev1.ClaimPending || claim.Spec.VolumeName != "" {
		return nil
	}
	class, err := p.client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	waits := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	if waits && claim.Annotations[selectedNode] != p.node {
		return nil
	}
	folder := filepath.Join(p.root, "pvc-"+string(claim.UID))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("folder of a volume: %w", err)
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, p.volumeFor(claim, class, folder), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	log.Printf("provisioned %s for %s/%s", filepath.Base(folder), claim.Namespace, claim.Name)
	return nil
}

func (p provisioner) volumeFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, folder string) *corev1.PersistentVolume {
	onThisNode := corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{p.node}}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: filepath.Base(folder), Annotations: map[string]string{provisionedBy: p.name}},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              class.Name,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			ClaimRef: &corev1.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{onThisNode}}},
			}},
		},
	}
}

func (p provisioner) reclaim(ctx context.Context, volume *corev1.PersistentVolume) error {
	isOurs := volume.Annotations[provisionedBy] == p.name
	toDelete := volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
	if !isOurs || !toDelete || volume.Status.Phase != corev1.VolumeReleased || volume.DeletionTimestamp != nil {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(p.root, volume.Name)); err != nil {
		return fmt.Errorf("folder of a released volume: %w", err)
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	log.Printf("deleted %s", volume.Name)
	return nil
}
