"""scf 2018-04-16: layers, whose versions never change."""

from __future__ import annotations

from typing import Any

from deployment.packages import PackageError
from deployment.unpacking import unpack
from localcloud.errors import PlatformError
from localcloud.platform import Platform
from localcloud.registry import Layer, timestamp
from localcloud.tencent import requests as asked

Answer = dict[str, Any]


class LayerActions:
    """What can be done to layers; each method is an action of its name."""

    def __init__(self, platform: Platform) -> None:
        self._registry = platform.registry

    def actions(self) -> dict[str, Any]:
        """Method and request model by the name of the action."""
        return {
            "PublishLayerVersion": (self.publish_layer, asked.PublishLayer),
            "GetLayerVersion": (self.get_layer, asked.OfLayerVersion),
            "ListLayerVersions": (self.list_layer_versions, asked.OfLayer),
            "ListLayers": (self.list_layers, asked.ListLayers),
            "DeleteLayerVersion": (self.delete_layer, asked.OfLayerVersion),
        }

    def publish_layer(self, request: asked.PublishLayer) -> Answer:
        content = request.Content.content()
        sha256, _ = unpacked_package(content, f"{request.LayerName}: Content")
        versions = self._registry.layers.setdefault(request.LayerName, [])
        number = max((version.version for version in versions), default=0) + 1
        versions.append(
            Layer(
                name=request.LayerName,
                version=number,
                sha256=sha256,
                description=request.Description,
                runtimes=request.CompatibleRuntimes,
                added_at=timestamp(),
            )
        )
        return {"LayerVersion": number}

    def get_layer(self, request: asked.OfLayerVersion) -> Answer:
        layer = self._registry.layer(request.LayerName, request.LayerVersion)
        return {**shown_layer(layer), "CodeSha256": layer.sha256, "Location": ""}

    def list_layer_versions(self, request: asked.OfLayer) -> Answer:
        versions = self._registry.layers.get(request.LayerName, [])
        return {"LayerVersions": [shown_layer(version) for version in reversed(versions)]}

    def list_layers(self, request: asked.ListLayers) -> Answer:
        layers = self._registry.layers.items()
        found = [
            shown_layer(versions[-1])
            for name, versions in layers
            if versions and request.SearchKey in name
        ]
        page = found[request.Offset :][: request.Limit]
        return {"Layers": page, "TotalCount": len(found)}

    def delete_layer(self, request: asked.OfLayerVersion) -> Answer:
        layer = self._registry.layer(request.LayerName, request.LayerVersion)
        used = (layer.name, layer.version)
        for function in self._registry.functions.values():
            if any(used in revision.layers for revision in function.revisions.values()):
                raise PlatformError(
                    "ResourceInUse.LayerVersion", f"{function.name} uses {used[0]}:{used[1]}"
                )
        self._registry.layers[layer.name].remove(layer)
        return {}


def shown_layer(layer: Layer) -> Answer:
    return {
        "LayerName": layer.name,
        "LayerVersion": layer.version,
        "Description": layer.description,
        "CompatibleRuntimes": layer.runtimes,
        "Status": "Active",
        "AddTime": layer.added_at,
        "LicenseInfo": "",
    }


def unpacked_package(content: bytes, what: str) -> tuple[str, int]:
    """Unpack an uploaded zip; returns its SHA-256 and size, PlatformError if it can't be used."""
    try:
        return unpack(content), len(content)
    except PackageError as error:
        raise PlatformError("InvalidParameterValue.Code", f"{what}: {error}") from None
