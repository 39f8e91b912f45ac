defmodule Linx.Netlink.Port.Program.Process do
  @moduledoc """
  An operating-system process that can be killed without hitting another one.

  A process id is used again when its process is gone. Together with the time at which the process
  started it is unique.

  One with more capabilities than the BEAM can't be identified where /proc hides the processes of others
  (`hidepid`), and so is not killed.
  """

  require Logger

  alias Linx.Netlink.Port.{Detached, Text}

  # In milliseconds.
  @retry_delay 100
  # How many of them one that was killed may take to be gone.
  @retries 50

  @enforce_keys [:pid, :started]
  defstruct @enforce_keys

  @type t() :: %__MODULE__{pid: pos_integer(), started: String.t()}

  @doc """
  The process that has this id now, `nil` if there is none.

  ## Example

      iex> pid = String.to_integer(System.pid())
      iex> Linx.Netlink.Port.Program.Process.identify(pid).pid == pid
      true
      iex> Linx.Netlink.Port.Program.Process.identify(nil)
      nil
  """
  @spec identify(pos_integer() | nil) :: t() | nil
  def identify(nil), do: nil

  def identify(pid) do
    case started(pid) do
      {:ok, started} -> %__MODULE__{pid: pid, started: started}
      _unknown -> nil
    end
  end

  @doc """
  Kills processes that may not listen to anything else. Nobody waits for it.

  The BEAM can't send signals; a shell can, and is there on every machine. It is a last resort: the
  port program ends by itself when its input does, unless it hangs or is none. One that belongs to another user
  (behind `sudo`) can't be killed. What is still there after 5 seconds, the log says.

  ## Example

      iex> port = Port.open({:spawn_executable, "/bin/sleep"}, [:exit_status, args: ["1000"]])
      iex> {:os_pid, pid} = Port.info(port, :os_pid)
      iex> Linx.Netlink.Port.Program.Process.kill([Linx.Netlink.Port.Program.Process.identify(pid)])
      :ok
      iex> receive do: ({^port, {:exit_status, status}} -> status), after: (5_000 -> :alive)
      137
  """
  @spec kill([t()]) :: :ok
  def kill(processes) do
    # By the calling process, which may be the last thing that its application does.
    Enum.each(processes, &Detached.detach(spawn(fn -> kill_now(&1) end)))
  end

  # Reading /proc and starting a shell take descriptors, and the BEAM may have none left just now.
  defp kill_now(%__MODULE__{pid: pid, started: started} = process) do
    case started(pid) do
      {:ok, ^started} -> kill_or_retry(process)
      {:error, reason} when reason in [:emfile, :enfile] -> retry(process)
      _gone -> :ok
    end
  end

  defp kill_or_retry(%__MODULE__{pid: pid} = process) do
    {said, _status} = System.cmd("/bin/sh", ["-c", "kill -KILL #{pid}"], stderr_to_stdout: true)
    await_end(process, String.trim(said), @retries)
  rescue
    _error in ErlangError -> retry(process)
  end

  defp await_end(%__MODULE__{pid: pid, started: started} = process, said, retries) do
    cond do
      started(pid) != {:ok, started} ->
        :ok

      retries == 0 ->
        Logger.error("process #{pid} was to be killed, and is still there#{why(said)}")

      true ->
        later(fn -> await_end(process, said, retries - 1) end)
    end
  end

  # What the shell had to say of it.
  defp why(""), do: ""
  defp why(said), do: ": #{Text.term(said)}"

  defp retry(process), do: later(fn -> kill_now(process) end)

  defp later(work) do
    receive do
    after
      @retry_delay -> work.()
    end
  end

  # The 22nd field of /proc/PID/stat. The second, the name, may contain anything, but ends with the
  # last parenthesis. One that is only waited for by its parent has ended.
  defp started(pid) do
    with {:ok, stat} <- File.read("/proc/#{pid}/stat"),
         fields when is_binary(fields) <- stat |> String.split(") ") |> List.last(),
         [state | _more] = fields when state not in ["Z", "X"] <- String.split(fields, " "),
         {:ok, started} <- Enum.fetch(fields, 19) do
      {:ok, started}
    else
      {:error, reason} -> {:error, reason}
      _ended -> :error
    end
  end
end
